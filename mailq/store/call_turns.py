"""Whose turn it is: calls that are due are taken, run by whoever took them, and ended in the same transaction."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, text

from mailq.core.call import Method, State
from mailq.store import maintenance

_AT_WORK = f"{maintenance.NONE} AND (SELECT behind_since FROM installation) IS NULL"  # noqa: S608 - made of our own words


class Due(NamedTuple):
    """A call whose row this transaction has locked.

    Attributes:
        conversation_id: the row of its conversation.
        objects: None of a call that is large: `calls.objects` has them.
        may_run: whether its time has come.
    """

    id: int
    public_id: str
    organization_id: int
    method: Method
    objects: Sequence[Mapping[str, Any]] | None
    responses: Sequence[Mapping[str, Any]]
    priority: int
    conversation_id: int | None
    sequence_code: int | None
    may_run: bool


class End(NamedTuple):
    """How a call ended; `error` says why it is in error."""

    id: int
    state: State
    error: str | None = None


class NeverRun(NamedTuple):
    """A call that will never run."""

    id: int
    public_id: str
    organization_id: int
    method: Method
    num_objects: int
    responses: Sequence[Mapping[str, Any]]
    sequence_code: int | None
    ended_at: datetime


_STANDS = text(f"SELECT {_AT_WORK}")


def at_work(tx: Connection) -> bool:
    """Whether calls may run: this installation is not in maintenance, and its database has not forgotten anything."""
    return bool(tx.execute(_STANDS).scalar_one())


# What is large is fetched when it is its turn: memory does not grow with what waits. As it is stored, which costs no look at it.
_DUE = """
id, public_id, organization_id, method, CASE WHEN pg_column_size(objects) < 8192 THEN objects END AS objects, responses, priority,
conversation_id, sequence_code
"""
_TAKE = text(f"""
SELECT {_DUE}, true AS may_run FROM call
 WHERE state = 'ready' AND id <> ALL(CAST(:but AS bigint[])) AND ({_AT_WORK})
 ORDER BY priority, id LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
""")  # noqa: S608 - made of our own words
_TAKE_ONE = text(f"""
SELECT {_DUE}, true AS may_run FROM call WHERE id = :id AND state = 'ready' AND ({_AT_WORK}) FOR NO KEY UPDATE SKIP LOCKED
""")  # noqa: S608


def wait_at_most(tx: Connection, seconds: float) -> None:
    """Let no statement of this transaction wait longer for what another one holds; it fails instead, see `faults.was_locked`."""
    tx.execute(text("SELECT set_config('lock_timeout', :limit, true)"), {"limit": f"{round(seconds * 1000)}ms"})


def take(tx: Connection, *, limit: int, but: Collection[int] = ()) -> list[Due]:
    """Lock the first calls that may run, by priority and in the order of receipt, but for those that somebody else has locked.

    Args:
        but: calls that are left alone.
    """
    return [_due(row) for row in tx.execute(_TAKE, {"limit": limit, "but": list(but)})]


def take_one(tx: Connection, call_id: int) -> Due | None:
    """Lock a call if it may run and nobody else has locked it."""
    return next((_due(row) for row in tx.execute(_TAKE_ONE, {"id": call_id})), None)


_NEXT = text(f"""
SELECT {_DUE}, scheduled_at IS NULL OR scheduled_at <= clock_timestamp() AS may_run FROM call
 WHERE conversation_id = :conversation_id AND sequence_code BETWEEN :first AND :last AND state = 'waiting' ORDER BY sequence_code
""")  # noqa: S608


def following(tx: Connection, conversation_id: int, *, first: int, limit: int) -> list[Due]:
    """The next parts of a conversation that this transaction has locked: nobody else touches them."""
    found = {"conversation_id": conversation_id, "first": first, "last": first + limit - 1}
    return [_due(row) for row in tx.execute(_NEXT, found)]


_LET = text("""
UPDATE call SET state = CASE WHEN scheduled_at > clock_timestamp() THEN 'scheduled' ELSE 'ready' END
  FROM unnest(CAST(:conversation_ids AS bigint[]), CAST(:sequence_codes AS integer[])) AS turn (conversation_id, sequence_code)
 WHERE call.conversation_id = turn.conversation_id AND call.sequence_code = turn.sequence_code AND call.state = 'waiting'
RETURNING call.public_id, call.state
""")


def let_run(tx: Connection, codes: Mapping[int, int]) -> Mapping[str, State]:
    """Let the part of this sequence code run next, or at its time, in each of these conversations; their states by public id."""
    rows = tx.execute(_LET, {"conversation_ids": list(codes), "sequence_codes": list(codes.values())})
    return {row.public_id: State(row.state) for row in rows}


# A microsecond apart: the rows are written in whatever order, and the parts of a conversation have ended in sequence.
_END = text("""
UPDATE call SET state = over.state, error = over.error, ended_at = statement_timestamp() + over.place * interval '1 microsecond'
  FROM unnest(CAST(:ids AS bigint[]), CAST(:states AS text[]), CAST(:errors AS text[]))
       WITH ORDINALITY AS over (id, state, error, place)
 WHERE call.id = over.id AND call.state IN ('ready', 'waiting')
RETURNING call.id, call.ended_at
""")


def end(tx: Connection, ends: Sequence[End]) -> Mapping[int, datetime]:
    """End calls that this transaction has run, in this order: those that it took, and parts whose turn came meanwhile; when each
    ended.
    """
    facts = {
        "ids": [each.id for each in ends],
        "states": [str(each.state) for each in ends],
        "errors": [each.error for each in ends],
    }
    return {row.id: row.ended_at for row in tx.execute(_END, facts)}


# Not the objects: of a conversation they are those of thousands of parts.
_NEVER_RAN = ", ".join(NeverRun._fields)
_NEVER_RUN = text(f"""
UPDATE call SET state = 'not_run', error = :why, ended_at = clock_timestamp()
 WHERE conversation_id = :conversation_id AND state IN ('waiting', 'scheduled', 'ready')
RETURNING {_NEVER_RAN}
""")  # noqa: S608


def never_run(tx: Connection, conversation_id: int, why: str) -> list[NeverRun]:
    """End what has not run of a conversation that this transaction has locked; in sequence."""
    rows = tx.execute(_NEVER_RUN, {"conversation_id": conversation_id, "why": why})
    return sorted((_never_run(row) for row in rows), key=lambda each: each.sequence_code or 0)


_CANCEL = text(f"""
UPDATE call SET state = 'cancelled', error = :why, ended_at = clock_timestamp()
 WHERE id = (SELECT id FROM call WHERE id = :id AND state IN ('scheduled', 'ready') AND conversation_id IS NULL
                FOR NO KEY UPDATE SKIP LOCKED)
RETURNING {_NEVER_RAN}
""")  # noqa: S608


def cancel(tx: Connection, call_id: int, why: str) -> NeverRun | None:
    """Take back a call outside of any conversation that has not run; None if it has, or if somebody is just running it."""
    return next((_never_run(row) for row in tx.execute(_CANCEL, {"id": call_id, "why": why})), None)


_START = text(f"""
UPDATE call SET state = 'ready'
 WHERE id IN (SELECT id FROM call
               WHERE state = 'scheduled' AND scheduled_at <= coalesce(CAST(:now AS timestamptz), statement_timestamp()) AND ({_AT_WORK})
               ORDER BY scheduled_at LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED)
""")  # noqa: S608


def start_scheduled(tx: Connection, *, limit: int, now: datetime | None = None) -> int:
    """Let calls run whose time has come; how many."""
    return tx.execute(_START, {"limit": limit, "now": now}).rowcount


# The index is by organization; of an array the planner expects few. Of a conversation that has not ended nothing is deleted: its parts
# are known by their rows.
_PRUNE = text("""
DELETE FROM call
 WHERE id = ANY (ARRAY(
       SELECT old.id FROM organization
        CROSS JOIN LATERAL (
              SELECT id FROM call
               WHERE call.organization_id = organization.id AND ended_at < statement_timestamp() - CAST(:keep AS interval)
                 AND NOT EXISTS (SELECT FROM conversation WHERE conversation.id = call.conversation_id AND ended_at IS NULL)
               ORDER BY ended_at LIMIT :limit FOR UPDATE SKIP LOCKED) AS old
        LIMIT :limit))
""")


def prune(tx: Connection, *, keep: timedelta, limit: int) -> int:
    """Delete calls, with results and answers, that ended so long ago; how many. Conversations stay for ever."""
    return tx.execute(_PRUNE, {"keep": keep, "limit": limit}).rowcount


def _due(row: Row[Any]) -> Due:
    return Due._make(row)._replace(method=Method(row.method))


def _never_run(row: Row[Any]) -> NeverRun:
    return NeverRun._make(row)._replace(method=Method(row.method))
