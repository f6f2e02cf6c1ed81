"""`mailing list`."""

import click

from mailq.cli import parts
from mailq.cli.options import CONTEXT, Words, examples, json_option
from mailq.cli.rendering import as_document
from mailq.cli.terminal import print_json, print_table, say
from mailq.core.mailing import State

_COLUMNS = ("mailing", "name", "state", "profiles", "sent", "errors", "skipped", "in_doubt", "left", "created")


@click.command("list", context_settings=CONTEXT, epilog=examples("mailing list --state running"))
@click.option("--state", "states", type=Words([*State]), multiple=True, help="Only these; may be repeated.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@json_option("Print a JSON array.")
def list_mailings(*, states: tuple[str, ...], limit: int, as_json: bool) -> None:
    """List mailings with their books, the newest first."""
    from mailq.store import mailings

    with parts.opened(parts.load()) as database, database.begin() as tx:
        found = mailings.summaries(tx, limit=limit, states=[State(state) for state in states])
    if as_json:
        print_json([as_document(each) for each in found])
        return
    if not found:
        say("no mailings yet; `mailqctl mailing submit --help` says how to make one")
        return
    rows = [
        (
            each.mailing.public_id,
            each.mailing.name,
            f"{each.mailing.state} stream" if each.mailing.stream else each.mailing.state,
            each.books.num_profiles,
            each.books.num_sent,
            each.books.num_errors,
            each.books.num_skipped,
            each.books.num_in_doubt,
            each.books.num_pending + each.books.num_deferred,
            each.mailing.created_at,
        )
        for each in found
    ]
    print_table(_COLUMNS, rows, right=_COLUMNS[3:9], optional=("created", "skipped", "in_doubt", "errors"))
