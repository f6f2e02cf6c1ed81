"""`outbox create`: the table of an outbox."""

import click

from mailq.cli import parts
from mailq.cli.options import CONTEXT, examples
from mailq.cli.outbox_parts import url_option, url_or_setting
from mailq.cli.terminal import print_line, say


@click.command(context_settings=CONTEXT, epilog=examples("outbox create", "outbox create --print --database mysql://"))
@url_option("--database")
@click.option("--print", "print_only", is_flag=True, help="Print the statements; nothing is connected, and `mysql://` will do.")
def create(*, url: str | None, print_only: bool) -> None:
    """Make the table `mailq_outbox` in a producer's database; one that is there stays as it is."""
    from mailq.store.outbox_database import OutboxDatabase, ddl

    where = url_or_setting(url, parts.load(), "--database")
    if print_only:
        print_line(ddl(where).rstrip())
        return
    database = OutboxDatabase(where)
    try:
        made = database.create()
    finally:
        database.close()
    say(f"{database.address} {'has' if made else 'already has'} the table mailq_outbox")
