"""Double entry: our ledger and the sink's are kept by different hands, and must agree."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import select

from mailq.core.batch import State as BatchState
from mailq.core.delivery import State
from mailq.core.mailing import Books
from mailq.core.mailing import State as MailingState
from mailq.store import mailings
from mailq.store.database import Database
from mailq.store.mailings import Summary
from mailq.store.tables import batch, delivery

_COUNTERS = {
    State.SENT: "num_sent",
    State.ERROR: "num_errors",
    State.SKIPPED: "num_skipped",
    State.DEFERRED: "num_deferred",
    State.IN_DOUBT: "num_in_doubt",
}


class OtherLedger(Protocol):
    """Whoever took the mails."""

    @property
    def accepted_recipients(self) -> list[str]:
        """An address per accepted message."""


@dataclass(frozen=True)
class Posted:
    """A mailing that was submitted, and the addresses it was submitted with: every record of the source, in order."""

    database: Database
    mailing_id: int
    public_id: str
    recipients: tuple[str, ...]

    @property
    def summary(self) -> Summary:
        """State, books and batches, of this moment."""
        with self.database.begin() as tx:
            return mailings.summary(tx, self.mailing_id)

    @property
    def books(self) -> Books:
        """The counters."""
        return self.summary.books

    @property
    def state(self) -> MailingState:
        """Where it stands."""
        return self.summary.mailing.state

    @property
    def finished(self) -> bool:
        """Whether it was sent to the end."""
        return self.state is MailingState.FINISHED

    def batches(self) -> list[tuple[int, BatchState]]:
        """Its batches in order, as (id, state)."""
        with self.database.begin() as tx:
            rows = tx.execute(
                select(batch.c.id, batch.c.state).where(batch.c.mailing_id == self.mailing_id).order_by(batch.c.number)
            )
            return [(row.id, BatchState(row.state)) for row in rows]

    def addresses(self, state: State) -> set[str]:
        """Who stands in a state."""
        with self.database.begin() as tx:
            mine = select(delivery.c.address).where(delivery.c.mailing_id == self.mailing_id, delivery.c.state == state)
            return set(tx.execute(mine).scalars())


def ledgers_agree(posted: Posted, sink: OtherLedger) -> Books:
    """Compare the two ledgers address by address, and ours with itself; the books if all is well.

    sent ⊆ accepted ⊆ sent ∪ in doubt; nobody was mailed twice; nobody is missing; every counter equals a recount, batch by batch.
    """
    with posted.database.begin() as tx:
        rows = tx.execute(
            select(delivery.c.seq, delivery.c.batch_id, delivery.c.address, delivery.c.state)
            .where(delivery.c.mailing_id == posted.mailing_id)
            .order_by(delivery.c.seq)
        ).all()
        counters = {row.id: row for row in tx.execute(select(batch).where(batch.c.mailing_id == posted.mailing_id))}
        books = mailings.summary(tx, posted.mailing_id).books
    _nobody_is_missing(posted, [row.address for row in rows], [row.seq for row in rows])
    by_state: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        by_state[row.state].add(row.address)
    _what_was_sent_was_accepted(by_state, sink)
    _counters_equal_a_recount(counters, rows)
    assert books.balanced, books
    assert books.num_profiles == len(rows)
    return books


def _nobody_is_missing(posted: Posted, addresses: list[str], seqs: list[int]) -> None:
    assert seqs == list(range(1, len(posted.recipients) + 1))
    assert addresses == list(posted.recipients)


def _what_was_sent_was_accepted(by_state: dict[str, set[str]], sink: OtherLedger) -> None:
    accepted = Counter(sink.accepted_recipients)
    twice = {address: times for address, times in accepted.items() if times > 1}
    assert not twice, f"mailed twice: {twice}"
    sent, in_doubt = by_state[State.SENT], by_state[State.IN_DOUBT]
    assert not sent - accepted.keys(), "in our books as sent, and never accepted"
    assert not accepted.keys() - sent - in_doubt, "accepted, and neither sent nor in doubt in our books"


def _counters_equal_a_recount(counters: dict[int, object], rows: list[object]) -> None:
    recount: dict[int, Counter[str]] = defaultdict(Counter)
    for row in rows:
        recount[row.batch_id][row.state] += 1  # type: ignore[attr-defined]
    for number, kept in counters.items():
        counted = {name: recount[number][state] for state, name in _COUNTERS.items()}
        assert {name: getattr(kept, name) for name in counted} == counted, f"batch {number}"
        assert kept.num_profiles == recount[number].total(), f"batch {number}"  # type: ignore[attr-defined]
