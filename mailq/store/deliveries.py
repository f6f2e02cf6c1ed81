"""Deliveries of a batch: the worklist, what is open, and settling. One predicate serves worklist and open set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, text

from mailq.core.batch import Claim, Left, Tally
from mailq.core.delivery import NEXT, WORKABLE, Change, State
from mailq.core.transitions import require
from mailq.errors import BooksDiffer
from mailq.store.tables import delivery


@dataclass(frozen=True, slots=True)
class Work:
    """One delivery to work in this pass, as its row stood when the pass began."""

    seq: int
    address: str
    variables: Mapping[str, object]
    attempts: int
    state: State


@dataclass(frozen=True, slots=True)
class Settled:
    """A change decided for a delivery that stood in state `was`."""

    seq: int
    was: State
    change: Change


def worklist(tx: Connection, held: Claim) -> list[Work]:
    """What a claim's pass is to work, in seq order: at most the size of a batch."""
    columns = (delivery.c.seq, delivery.c.address, delivery.c.variables, delivery.c.attempts, delivery.c.state)
    rows = tx.execute(select(*columns).where(_workable(held)).order_by(delivery.c.seq))
    return [Work(row[0], row[1], row[2], row[3], State(row[4])) for row in rows]


# Guarded on the state each row had, so that a row somebody else changed makes the count differ and the transaction roll back.
# BETWEEN repeats what the join says: of a mailing that is not in the statistics yet the planner expects one row, would read all
# of them, and a commit would cost the more the larger the mailing is. A range is always searched in the index; `= ANY` need not be.
_SETTLE = text("""
UPDATE delivery
   SET state = new.state, pass = :fence, attempts = delivery.attempts + new.attempts, due_at = new.due_at,
       relay = coalesce(CAST(:relay AS text), relay),
       reply = new.reply, doubt = new.doubt, settled_at = clock_timestamp()
  FROM unnest(CAST(:seqs AS int[]), CAST(:was AS text[]), CAST(:states AS text[]), CAST(:attempts AS smallint[]),
              CAST(:due_ats AS timestamptz[]), CAST(:replies AS text[]), CAST(:doubts AS text[]))
       AS new (seq, was, state, attempts, due_at, reply, doubt)
 WHERE delivery.mailing_id = :mailing_id AND delivery.seq BETWEEN :first AND :last
   AND delivery.seq = new.seq AND delivery.state = new.was
""")


def settle(tx: Connection, held: Claim, settled: Sequence[Settled], *, relay: str | None) -> None:
    """Write what became of deliveries; the caller's `advance` has locked the batch and counted them.

    Raises:
        BooksDiffer: a delivery was not as the owner knew it; roll back.
    """
    if not settled:
        return
    for one in settled:
        require(NEXT, one.was, one.change.state)
    seqs = [one.seq for one in settled]
    written = tx.execute(
        _SETTLE,
        {
            "mailing_id": held.mailing_id,
            "fence": held.fence,
            "relay": relay,
            "first": min(seqs),
            "last": max(seqs),
            "seqs": seqs,
            "was": [one.was.value for one in settled],
            "states": [one.change.state.value for one in settled],
            "attempts": [one.change.attempts for one in settled],
            "due_ats": [one.change.due_at for one in settled],
            "replies": [one.change.reply for one in settled],
            "doubts": [one.change.doubt and one.change.doubt.value for one in settled],
        },
    ).rowcount
    if written != len(settled):
        raise BooksDiffer(f"batch {held.batch_id}: {len(settled)} deliveries to settle, {written} were as expected")


def tally(settled: Sequence[Settled]) -> Tally:
    """What a list of changes adds to the counters of their batch."""
    after = [one.change.state for one in settled]
    return Tally(
        sent=after.count(State.SENT),
        errors=after.count(State.ERROR),
        skipped=after.count(State.SKIPPED),
        in_doubt=after.count(State.IN_DOUBT),
        deferred=after.count(State.DEFERRED) - sum(one.was is State.DEFERRED for one in settled),
    )


def left(tx: Connection, held: Claim) -> Left:
    """Count again what a batch still has to do; the caller has locked its row in a statement before."""
    statement = select(
        func.count().filter(delivery.c.state == State.PENDING),
        func.count().filter(delivery.c.state == State.DEFERRED),
        func.min(delivery.c.due_at),
    ).where(_of(held))
    return Left(*tx.execute(statement).one())


def _of(held: Claim) -> ColumnElement[bool]:
    return and_(delivery.c.mailing_id == held.mailing_id, delivery.c.seq.between(held.first_seq, held.last_seq))


def _workable(held: Claim) -> ColumnElement[bool]:
    # `pass` keeps out what was settled, put off or reopened in this very pass, whatever the clocks say.
    return and_(
        _of(held),
        delivery.c.state.in_(WORKABLE),
        delivery.c["pass"] < held.fence,
        or_(delivery.c.due_at.is_(None), delivery.c.due_at <= held.pass_started_at),
    )
