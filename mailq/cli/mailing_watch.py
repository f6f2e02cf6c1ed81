"""`mailing watch`."""

import time
from typing import TYPE_CHECKING

import click

from mailq.cli import parts, progress
from mailq.cli.options import CONTEXT, examples, json_option, reference_argument
from mailq.cli.rendering import as_document, books_lines, num_done
from mailq.cli.standstill import reasons
from mailq.cli.terminal import print_line, print_ndjson, say
from mailq.core.mailing import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailq.store.database import Database
    from mailq.store.mailings import Summary

LOOK_EVERY_S = 0.5
OVER = frozenset({State.FINISHED, State.CANCELLED, State.EXPIRED})


@click.command(context_settings=CONTEXT, epilog=examples("mailing watch sale-42"))
@reference_argument
@json_option("Print NDJSON: a document whenever the books have changed.")
def watch(*, reference: str, as_json: bool) -> None:
    """Follow a mailing until it ends. Exit code 0 if it finished and its books balance.

    Ctrl-C stops the watching, not the mailing.
    """
    with parts.opened(parts.load()) as database:
        try:
            last = follow(database, reference, print_ndjson if as_json else lambda _: None)
        except KeyboardInterrupt:
            say(f"\nthe mailing goes on; come back with `mailqctl mailing watch {reference}`")
            raise
    if not as_json:
        print_line(f"mailing {last.mailing.public_id} is {last.mailing.state}")
        for line in books_lines(last.books):
            print_line(line)
    if not (last.mailing.state is State.FINISHED and last.books.complete):
        raise SystemExit(1)


def follow(
    database: "Database", reference: str, tell: "Callable[[object], None]", *, check: "Callable[[], None]" = lambda: None
) -> "Summary":
    """Show a mailing's progress until nothing more happens to it; returns how it ended.

    Args:
        tell: gets a document whenever the books have changed.
        check: asked at every look; may raise to end the watching.
    """
    from mailq.store import mailings, watching

    with database.begin() as tx:
        found = mailings.find(tx, reference)
    before = None
    with progress.shown(found.name, "recipients") as meter:
        while True:
            with database.begin() as tx:
                now = mailings.summary(tx, found.id)
                standing = watching.standing(tx, found.id, found.lane)
            if now != before:
                tell(as_document(now))
            before = now
            why = reasons(now.mailing, now.books, standing)
            meter.at(num_done(now.books), now.books.num_profiles, why[0] if why else "")
            if now.mailing.state in OVER and not (standing.num_ready or standing.num_leased or standing.num_waiting):
                return now
            check()
            time.sleep(LOOK_EVERY_S)
