"""Double entry: our ledger and the sink's are kept by different hands, and must agree."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Row, select, text

from mailq.core.batch import State as BatchState
from mailq.core.delivery import WORKABLE, State
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


def ledgers_agree(posted: Posted, sink: OtherLedger, *, may_be_twice: Collection[str] = ()) -> Books:
    """Compare the two ledgers address by address, and ours with itself; the books if all is well.

    sent ⊆ accepted ⊆ sent ∪ in doubt ∪ open; nobody was mailed twice, but who may be; nobody is missing; every counter equals a
    recount, batch by batch. Open deliveries are there only while somebody holds their batch: a process at work, or one that was
    killed.

    Args:
        may_be_twice: who was sent the mail again on purpose, while it was in doubt.
    """
    with posted.database.begin() as tx:
        # The state of a batch and of its deliveries must be of one moment.
        tx.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        rows = tx.execute(select(delivery).where(delivery.c.mailing_id == posted.mailing_id).order_by(delivery.c.seq)).all()
        counters = {row.id: row for row in tx.execute(select(batch).where(batch.c.mailing_id == posted.mailing_id))}
        books = mailings.summary(tx, posted.mailing_id).books
        accepted = Counter(sink.accepted_recipients)
    _nobody_is_missing(posted, rows)
    by_state: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        by_state[row.state].add(row.address)
    twice = {address: times for address, times in accepted.items() if times > 1 + (address in may_be_twice)}
    assert not twice, f"mailed too often: {twice}"
    _what_was_sent_was_accepted(by_state, accepted, {row.address for row in rows if _is_open(row, counters[row.batch_id])})
    _counters_equal_a_recount(counters, rows)
    assert books.balanced, books
    assert books.num_profiles == len(rows)
    return books


def _nobody_is_missing(posted: Posted, rows: Sequence[Row[Any]]) -> None:
    assert [row.seq for row in rows] == list(range(1, len(posted.recipients) + 1))
    assert [row.address for row in rows] == list(posted.recipients)


def _is_open(row: Row[Any], held: Row[Any]) -> bool:
    begun = held.state == BatchState.LEASED and row.seq <= held.watermark
    return begun and row.state in WORKABLE and row._mapping["pass"] < held.fence


def _what_was_sent_was_accepted(by_state: Mapping[str, set[str]], accepted: Counter[str], is_open: set[str]) -> None:
    sent, in_doubt = by_state[State.SENT], by_state[State.IN_DOUBT]
    assert not sent - accepted.keys(), "in our books as sent, and never accepted"
    assert not accepted.keys() - sent - in_doubt - is_open, "accepted, and neither sent nor in doubt in our books"


def _counters_equal_a_recount(counters: Mapping[int, Row[Any]], rows: Sequence[Row[Any]]) -> None:
    recount: dict[int, Counter[str]] = defaultdict(Counter)
    for row in rows:
        recount[row.batch_id][row.state] += 1
    for number, kept in counters.items():
        counted = {name: recount[number][state] for state, name in _COUNTERS.items()}
        assert {name: getattr(kept, name) for name in counted} == counted, f"batch {number}"
        assert kept.num_profiles == recount[number].total(), f"batch {number}"
