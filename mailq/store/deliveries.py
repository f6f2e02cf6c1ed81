"""Deliveries of a batch: the worklist, what is open, and settling. One predicate serves worklist and open set."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from mailq.core.batch import Claim, Left, Tally
from mailq.core.delivery import NEXT, WORKABLE, Change, State
from mailq.core.transitions import require
from mailq.errors import BooksDiffer
from mailq.store.prepared import PreparedOfMonth


class Work(NamedTuple):
    """One delivery to work in this pass, as its row stood when the pass began."""

    seq: int
    address: str
    variables: Mapping[str, object]
    attempts: int
    state: State


class Settled(NamedTuple):
    """A change decided for a delivery that stood in state `was`."""

    seq: int
    was: State
    change: Change


_WORKABLE = {state.value: state for state in WORKABLE}


# `pass` keeps out what was settled, put off or reopened in this very pass, whatever the clocks say.
# Text: decoding is left to us, who do it once for all of them.
_WORKLIST = PreparedOfMonth(
    "mailq_worklist",
    "bigint, int, int, int, timestamptz",
    """
SELECT seq, address, variables::text, attempts, state FROM {partition}
 WHERE mailing_id = $1 AND seq BETWEEN $2 AND $3 AND state IN ('deferred', 'pending')
   AND pass < $4 AND (due_at IS NULL OR due_at <= $5)
 ORDER BY seq
""",
)


def worklist(tx: Connection, held: Claim) -> list[Work]:
    """What a claim's pass is to work, in seq order: at most the size of a batch."""
    facts = (held.mailing_id, held.first_seq, held.last_seq, held.fence, held.pass_started_at)
    rows: Sequence[Any] = _WORKLIST.execute(tx, *facts).all()
    variables = json.loads(f"[{','.join([row[2] for row in rows])}]")
    return [
        Work(seq, address, known, attempts, _WORKABLE[state])
        for (seq, address, _, attempts, state), known in zip(rows, variables, strict=True)
    ]


# Guarded on the state each row had, so that a row somebody else changed makes the count differ and the transaction roll back.
_SETTLE = PreparedOfMonth(
    "mailq_settle",
    "bigint, int, text, int[], text[], text[], smallint[], timestamptz[], text[], text[]",
    """
UPDATE {partition} AS delivery
   SET state = new.state, pass = $2, attempts = delivery.attempts + new.attempts, due_at = new.due_at,
       relay = coalesce($3, relay), reply = new.reply, doubt = new.doubt, settled_at = clock_timestamp()
  FROM (SELECT $1 AS mailing_id, * FROM unnest($4, $5, $6, $7, $8, $9, $10)
        AS one (seq, was, state, attempts, due_at, reply, doubt) OFFSET 0) AS new
 WHERE delivery.mailing_id = new.mailing_id AND delivery.seq = new.seq AND delivery.state = new.was
""",
)


def settle(tx: Connection, held: Claim, settled: Sequence[Settled], *, relay: str | None) -> None:
    """Write what became of deliveries; the caller's `advance` has locked the batch and counted them.

    Raises:
        BooksDiffer: a delivery was not as the owner knew it; roll back.
    """
    if not settled:
        return
    for one in settled:
        require(NEXT, one.was, one.change.state)
    arrays = map(_array, zip(*map(_columns, settled), strict=True))
    written = _SETTLE.execute(tx, held.mailing_id, held.fence, relay, *arrays)
    if written.rowcount != len(settled):
        raise BooksDiffer(f"batch {held.batch_id}: {len(settled)} deliveries to settle, {written.rowcount} were as expected")


def _columns(one: Settled) -> tuple[str, ...]:
    """A settled delivery as elements of the arrays that are unnested."""
    change = one.change
    due_at, reply = change.due_at, change.reply
    return (
        str(one.seq),
        one.was,
        change.state,
        str(change.attempts),
        "NULL" if due_at is None else due_at.isoformat(),
        "NULL" if reply is None else _quoted(reply),
        change.doubt or "NULL",
    )


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _array(elements: Iterable[str]) -> str:
    """An array as PostgreSQL reads it; the driver would quote each element for itself, at twice the price."""
    return "{" + ",".join(elements) + "}"


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


_LEFT = PreparedOfMonth(
    "mailq_left",
    "bigint, int, int",
    """
SELECT count(*) FILTER (WHERE state = 'pending'), count(*) FILTER (WHERE state = 'deferred'), min(due_at)
  FROM {partition} WHERE mailing_id = $1 AND seq BETWEEN $2 AND $3
""",
)


def left(tx: Connection, held: Claim) -> Left:
    """Count again what a batch still has to do; the caller has locked its row in a statement before."""
    found: Any = _LEFT.execute(tx, held.mailing_id, held.first_seq, held.last_seq).one()
    return Left(*found)
