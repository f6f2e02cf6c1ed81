"""`db upgrade`, `db check`, `db accept-restore` and `db prune`."""

import click

from mailq.cli import parts
from mailq.cli.db_accept_restore import accept_restore
from mailq.cli.db_prune import prune
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.terminal import print_json, print_line, say


@click.group(context_settings=CONTEXT, epilog=examples("db upgrade", "db check", "db accept-restore", "db prune --dry-run"))
def db() -> None:
    """Upgrade the database, check that it fits, or delete what is old.

    One that was restored from a backup sends nothing until `accept-restore` was said.
    """


db.add_command(accept_restore)
db.add_command(prune)


@db.command(context_settings=CONTEXT, epilog=examples("db upgrade"))
def upgrade() -> None:
    """Bring the schema to what this version needs: whole or not at all; doing it twice changes nothing."""
    from mailq.store import migrate

    with parts.opened(parts.load()) as database:
        found = migrate.upgrade(database)
        say(f"database {database.address} stands at revision {found.current}")


@db.command(context_settings=CONTEXT, epilog=examples("db check --json"))
@json_option()
def check(*, as_json: bool) -> None:
    """Compare revision, tables and partitions with what this version needs. Exit code 1 if something differs."""
    from mailq.store import revision, schema

    with parts.opened(parts.load()) as database:
        found = revision.revision(database)
        differences = schema.differences(database) if found.up_to_date else []
        ahead = schema.months_ahead(database) if found.up_to_date else -1
    good = found.up_to_date and not differences and ahead >= 0
    if as_json:
        revisions = {"revision": found.current, "wanted": found.wanted}
        print_json({**revisions, "differences": differences, "months_ahead": ahead, "ok": good})
    else:
        print_line(f"revision    {found.current or 'none'} (this version needs {found.wanted})")
        if found.up_to_date:
            print_line(f"tables      {'; '.join(differences) or 'as they should be'}")
            print_line(f"partitions  {'this month has none' if ahead < 0 else f'made for this month and {ahead} more'}")
    if not good:
        say("mailqctl: the database does not fit; run `mailqctl db upgrade`")
        raise SystemExit(1)
