"""`outbox list`: what an outbox holds."""

import click

from mailq.cli import parts
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.outbox_parts import url_option, url_or_setting
from mailq.cli.terminal import print_facts, print_json, print_line, print_table


@click.command("list", context_settings=CONTEXT, epilog=examples("outbox list", "outbox list --limit 5 --json"))
@url_option("--from")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many refused ones to show.")
@json_option()
def list_refused(*, url: str | None, limit: int, as_json: bool) -> None:
    """Count messages and mailings by their state, and show the latest that mailq has refused, and why."""
    from mailq.store import outbox
    from mailq.store.outbox_database import OutboxDatabase

    database = OutboxDatabase(url_or_setting(url, parts.load(), "--from"))
    try:
        database.require_table()
        with database.begin() as tx:
            counts, refused = outbox.counts(tx), outbox.refused(tx, limit=limit)
    finally:
        database.close()
    numbers = {str(state): number for state, number in counts.items()}
    if as_json:
        print_json({**numbers, "latest_refused": [each._asdict() for each in refused]})
        return
    print_facts(numbers)
    if refused:
        print_line("")
        print_table(("id", "kind", "reason"), refused, right=("id",))
