"""`mailing export`: streamed from a server-side cursor, whatever the size of the mailing."""

from pathlib import Path

import click

from mailq.cli import parts, rows
from mailq.cli.options import CONTEXT, Words, examples, json_option, reference_argument
from mailq.core.delivery import State

COLUMNS = ("seq", "address", "state", "skip", "doubt", "attempts", "relay", "reply", "settled_at", "message_id")


@click.command(
    context_settings=CONTEXT,
    epilog=examples("mailing export sale-42 --output sale-42.csv", "mailing export sale-42 --state error --state in_doubt"),
)
@reference_argument
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file, whole or not at all.")
@click.option("--state", "states", type=Words([*State]), multiple=True, help="Only these; may be repeated.")
@json_option("Print NDJSON, a document a line.")
def export(*, reference: str, output: Path | None, states: tuple[str, ...], as_json: bool) -> None:
    """Print what became of every recipient, as CSV, in the order of the source."""
    from mailq.admin import mailings

    chosen = parts.load()
    wanted = [State(state) for state in states]
    with parts.opened(chosen) as database, rows.opened(output) as file:
        found = mailings.export(database, None, reference, states=wanted, message_id_domain=chosen.message_id_domain)
        write = (rows.json_writer if as_json else rows.csv_writer)(file, COLUMNS)
        for row in found:
            write(row._asdict())
