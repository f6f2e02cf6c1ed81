"""`mailing show`."""

from typing import TYPE_CHECKING, Any

import click

from mailq.cli import parts
from mailq.cli.contacts import print_contacts
from mailq.cli.options import CONTEXT, examples, json_option, reference_argument
from mailq.cli.rendering import as_document, books_lines, num_done
from mailq.cli.standstill import reasons
from mailq.cli.terminal import print_facts, print_json, print_line, print_table, span
from mailq.core.mailing import State
from mailq.errors import NotFound

if TYPE_CHECKING:
    from mailq.store.database import Database
    from mailq.store.mailings import Mailing, Summary
    from mailq.store.watching import ReplyCount, Standing


@click.command(
    context_settings=CONTEXT,
    epilog=examples("mailing show sale-42", "mailing show sale-42 --errors", "mailing show sale-42 --recipient ann@x.example"),
)
@reference_argument
@click.option("--errors", is_flag=True, help="Also what the relays said most; reads every recipient once.")
@click.option("--recipient", metavar="ADDRESS", help="What became of this recipient.")
@json_option()
def show(*, reference: str, errors: bool, recipient: str | None, as_json: bool) -> None:
    """Show a mailing, its books, and why it does not move if it does not."""
    with parts.opened(parts.load()) as database:
        if recipient is not None:
            _show_recipient(database, reference, recipient, as_json=as_json)
            return
        summary, standing, replies = _look(database, reference, errors=errors)
    why = reasons(summary.mailing, summary.books, standing)
    if as_json:
        document = as_document(summary) | {"rate_per_s": _rate(summary, standing), "why_not_moving": why}
        print_json(document | ({"replies": [reply._asdict() for reply in replies]} if errors else {}))
        return
    print_facts(_facts(summary, standing))
    print_line("")
    for line in [*books_lines(summary.books), *(f"  ! {reason}" for reason in why)]:
        print_line(line)
    if errors:
        print_line("")
        print_table(("state", "count", "reply"), [(each.state, each.num, each.reply) for each in replies], right=["count"])


def _look(database: "Database", reference: str, *, errors: bool) -> "tuple[Summary, Standing, list[ReplyCount]]":
    from mailq.store import mailings, watching

    with database.begin() as tx:
        found = mailings.find(tx, reference)
        summary = mailings.summary(tx, found.id)
        standing = watching.standing(tx, found.id, found.lane)
        return summary, standing, watching.replies(tx, found.id) if errors else []


def _show_recipient(database: "Database", reference: str, address: str, *, as_json: bool) -> None:
    from mailq.store import exports, mailings

    with database.begin() as tx:
        found: Mailing = mailings.find(tx, reference)
        contacts = [each for each in exports.history(tx, address) if each.mailing == found.public_id]
    if not contacts:
        raise NotFound(f"mailing {found.public_id} has no recipient `{address}`")
    print_contacts(contacts, as_json=as_json)


def _facts(summary: "Summary", standing: "Standing") -> dict[str, Any]:
    mailing = summary.mailing
    rate = _rate(summary, standing)
    left = summary.books.num_pending + summary.books.num_deferred
    return {
        "mailing": mailing.public_id,
        "name": mailing.name,
        "key": mailing.key,
        "state": mailing.state,
        "stream": None if mailing.open_until is None else f"open until {mailing.open_until:%Y-%m-%d %H:%M} UTC",
        "lane": mailing.lane,
        "in doubt": mailing.doubt_policy,
        "batches": f"{summary.num_batches_done:,} of {summary.num_batches:,} done",
        "rate": f"{rate:,.0f} recipients/s, {span(left / rate)} left" if rate else None,
        "created": mailing.created_at,
        "scheduled": mailing.scheduled_at,
        "started": mailing.started_at,
        "finished": mailing.finished_at,
        "expires": mailing.expires_at,
    }


def _rate(summary: "Summary", standing: "Standing") -> float | None:
    """Recipients a second since it began; None unless it runs, and of a stream, whose messages come when they come."""
    mailing = summary.mailing
    if mailing.stream is not None:
        return None
    if mailing.state is not State.RUNNING or mailing.started_at is None or standing.progressed_at is None:
        return None
    seconds = (standing.progressed_at - mailing.started_at).total_seconds()
    return num_done(summary.books) / seconds if seconds > 0 else None
