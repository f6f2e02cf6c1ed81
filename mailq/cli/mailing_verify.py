"""`mailing verify`: a recount. A difference is an alarm; nothing is ever repaired silently."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import click

from mailq.cli import parts
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.progress import shown
from mailq.cli.terminal import print_json, print_table, say
from mailq.errors import BooksDiffer

if TYPE_CHECKING:
    from mailq.core.verification import Difference
    from mailq.store.database import Database
    from mailq.store.mailings import Summary

_PAGE = 200
_SHOWN = 1000
"""Differences that are shown: a mailing whose every batch differs has told enough by then."""


@dataclass
class Verified:
    """What the recount of one mailing found."""

    mailing: str
    num_batches: int
    num_deliveries: int
    num_differences: int = 0
    differences: "list[Difference]" = field(default_factory=list)


@click.command(
    context_settings=CONTEXT, epilog=examples("mailing verify sale-42", "mailing verify --all", "mailing verify --all --json")
)
@click.argument("reference", metavar="[MAILING]", required=False)
@click.option("--all", "everything", is_flag=True, help="Every mailing, the newest first.")
@json_option("Print a JSON array.")
def verify(*, reference: str | None, everything: bool, as_json: bool) -> None:
    """Count the deliveries of a mailing again, and compare them with the books of its batches.

    Exit code 1 if they differ: then a person must look. Nothing is changed.
    """
    if (reference is None) is not everything:
        raise click.UsageError("name one mailing, or say --all")
    with parts.opened(parts.load()) as database:
        found = list(_all(database)) if reference is None else [_one(database, reference)]
    wrong = [each for each in found if each.num_differences]
    if as_json:
        print_json([asdict(each) for each in found])
    elif wrong:
        rows = [(each.mailing, one.batch, one.what, one.kept, one.counted) for each in wrong for one in each.differences]
        print_table(("mailing", "batch", "what", "books", "deliveries"), rows, right=("batch", "books", "deliveries"))
    if wrong:
        number = sum(each.num_differences for each in wrong)
        raise BooksDiffer(f"books and deliveries differ in {number:,} places of {len(wrong):,} mailings: nothing was changed")
    if not as_json:
        say(f"counted {sum(each.num_deliveries for each in found):,} deliveries of {len(found):,} mailings: the books are right")


def _one(database: "Database", reference: str) -> Verified:
    from mailq.store import mailings

    with database.begin() as tx:
        summary = mailings.summary(tx, mailings.find(tx, reference).id)
    return _recounted(database, summary)


def _all(database: "Database") -> Iterator[Verified]:
    from mailq.store import verification

    with database.begin() as tx:
        total = verification.num_deliveries(tx)
    done = 0
    with shown("verifying", "recipients") as meter:
        for summary in _summaries(database):
            meter.at(done, total)
            verified = _recounted(database, summary)
            done += verified.num_deliveries
            meter.at(done, max(total, done))
            yield verified


def _summaries(database: "Database") -> "Iterator[Summary]":
    from mailq.store import mailings

    before = None
    while True:
        with database.begin() as tx:
            page = mailings.summaries(tx, limit=_PAGE, before=before)
        if not page:
            return
        yield from page
        before = page[-1].mailing.id


def _recounted(database: "Database", summary: "Summary") -> Verified:
    from mailq.core.verification import MailingCheck
    from mailq.store import mailings, verification

    verified = Verified(summary.mailing.public_id, 0, 0)
    with database.begin() as tx:
        verification.of_one_moment(tx)
        mailing = mailings.get(tx, summary.mailing.id)
        check = MailingCheck(mailing.state, mailing.num_loaded)
        for batch in verification.batches(tx, mailing.id):
            _note(verified, check.add(batch))
    _note(verified, check.differences())
    verified.num_batches, verified.num_deliveries = check.num_batches, check.num_deliveries
    return verified


def _note(verified: Verified, found: "Iterator[Difference]") -> None:
    for one in found:
        verified.num_differences += 1
        if len(verified.differences) < _SHOWN:
            verified.differences.append(one)
