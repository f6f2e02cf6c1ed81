"""Conversations: made with their first part, locked by who judges or runs their parts, ended once and for all."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert as insert_or

from mailq.core.conversation import State, missing
from mailq.store.call_tables import call, conversation
from mailq.store.database import db_now_once


class Standing(NamedTuple):
    """A conversation as whoever judges a part knows it.

    Attributes:
        now: what the database's clock said when it was read.
    """

    id: int
    key: str
    state: State
    calls_in_conversation: int
    num_received: int
    last_part_at: datetime
    now: datetime


class Held(NamedTuple):
    """A conversation that this transaction has locked to run its parts, or to end it."""

    id: int
    organization_id: int
    key: str
    calls_in_conversation: int
    num_run: int


class Ending(NamedTuple):
    """How far a conversation has come; `error` says why it is in error."""

    id: int
    num_run: int
    state: State
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A conversation as it stands.

    Attributes:
        id: its row, which its parts go by.
        conversation_id: the producer's.
        num_run: parts that have run, the one in error included.
    """

    id: int
    conversation_id: str
    state: State
    calls_in_conversation: int
    num_received: int
    num_run: int
    error: str | None
    created_at: datetime
    last_part_at: datetime
    ended_at: datetime | None


_STANDING = (
    *(conversation.c[name] for name in Standing._fields if name != "now"),
    func.clock_timestamp().label("now"),
)
_HELD = tuple(conversation.c[name] for name in Held._fields)


def lock_receiving(tx: Connection, organization_id: int, keys: Collection[str]) -> Mapping[str, Standing]:
    """Lock those that lack parts, waiting for whoever judges one of theirs. Who runs the parts of a conversation keeps nobody waiting:
    of one that has all its parts nothing changes that a judgement depends on.
    """
    mine = (conversation.c.organization_id == organization_id, conversation.c.key.in_(sorted(keys)))
    # Always in this order, so that two who lock the same ones do not wait for each other. Parts refer to its key, which stays.
    statement = select(*_STANDING).where(*mine, conversation.c.state == State.RECEIVING).order_by(conversation.c.key)
    return _by_key(tx.execute(statement.with_for_update(key_share=True)).all())


def beyond_receiving(tx: Connection, organization_id: int, keys: Collection[str]) -> Mapping[str, Standing]:
    """Those that have had all their parts, or lack some for ever."""
    mine = (conversation.c.organization_id == organization_id, conversation.c.key.in_(sorted(keys)))
    return _by_key(tx.execute(select(*_STANDING).where(*mine, conversation.c.state != State.RECEIVING)).all())


def make(tx: Connection, organization_id: int, lengths: Mapping[str, int]) -> Mapping[str, Standing]:
    """Make conversations of so many calls, by key; those whose key was free. They are locked: nobody sees them before the commit."""
    values = [
        {"organization_id": organization_id, "key": key, "calls_in_conversation": length}
        for key, length in sorted(lengths.items())
    ]
    return _by_key(tx.execute(insert_or(conversation).values(values).on_conflict_do_nothing().returning(*_STANDING)).all())


def forget_empty(tx: Connection, conversation_ids: Collection[int]) -> None:
    """Delete those without any part: none of theirs was taken, and their id is free."""
    empty = (conversation.c.id.in_(conversation_ids), conversation.c.num_received == 0)
    tx.execute(delete(conversation).where(*empty))


# A list is joined rather than searched: the plan is the same however many there are.
_RECEIVE = text("""
UPDATE conversation
   SET num_received = num_received + taken.num, last_part_at = clock_timestamp(),
       state = CASE WHEN num_received + taken.num = calls_in_conversation THEN 'running' ELSE state END
  FROM unnest(CAST(:ids AS bigint[]), CAST(:nums AS integer[])) AS taken (id, num)
 WHERE conversation.id = taken.id
RETURNING conversation.id, state
""")


def note_parts(tx: Connection, nums: Mapping[int, int]) -> set[int]:
    """Count parts that were taken; the conversations that have all of theirs now, and run."""
    rows = tx.execute(_RECEIVE, {"ids": list(nums), "nums": list(nums.values())})
    return {row.id for row in rows if row.state == State.RUNNING}


def hold_running(tx: Connection, conversation_ids: Collection[int]) -> Mapping[int, Held]:
    """Lock those of them whose parts run, but for those that somebody else has locked."""
    statement = select(*_HELD).where(conversation.c.id.in_(conversation_ids), conversation.c.state == State.RUNNING)
    return {row.id: Held._make(row) for row in tx.execute(statement.with_for_update(key_share=True, skip_locked=True))}


def hold_late(tx: Connection, *, gap: timedelta, limit: int, now: datetime | None = None) -> list[Held]:
    """Lock conversations whose next part has not come in time, but for those that somebody else has locked."""
    late = (conversation.c.state == State.RECEIVING, conversation.c.last_part_at < db_now_once(now) - gap)
    statement = select(*_HELD).where(*late).order_by(conversation.c.last_part_at).limit(limit)
    return [Held._make(row) for row in tx.execute(statement.with_for_update(key_share=True, skip_locked=True))]


def hold(tx: Connection, conversation_id: int) -> Held:
    """One that this transaction has locked already."""
    return Held._make(tx.execute(select(*_HELD).where(conversation.c.id == conversation_id)).one())


_NOTE = text("""
UPDATE conversation
   SET num_run = noted.num_run, state = noted.state, error = noted.error,
       ended_at = CASE WHEN noted.state IN ('finished', 'error') THEN clock_timestamp() END
  FROM unnest(CAST(:ids AS bigint[]), CAST(:nums AS integer[]), CAST(:states AS text[]), CAST(:errors AS text[]))
       AS noted (id, num_run, state, error)
 WHERE conversation.id = noted.id
RETURNING conversation.id, ended_at
""")


def note(tx: Connection, endings: Sequence[Ending]) -> Mapping[int, datetime]:
    """Write how far conversations have come that this transaction has locked; when those ended that did."""
    facts = {
        "ids": [each.id for each in endings],
        "nums": [each.num_run for each in endings],
        "states": [str(each.state) for each in endings],
        "errors": [each.error for each in endings],
    }
    return {row.id: row.ended_at for row in tx.execute(_NOTE, facts) if row.ended_at is not None}


def find(tx: Connection, organization_id: int, key: str) -> Found | None:
    """A conversation by its producer's id; None if the organization has never used it."""
    mine = (conversation.c.organization_id == organization_id, conversation.c.key == key)
    return next((_found(row) for row in tx.execute(select(*_FOUND).where(*mine))), None)


def listed(
    tx: Connection, organization_id: int, *, limit: int, before: int | None = None, states: Collection[State] = ()
) -> list[Found]:
    """Conversations, the newest first.

    Args:
        before: the row of the last one of the page before.
        states: only those in one of them.
    """
    statement = select(*_FOUND).where(conversation.c.organization_id == organization_id)
    if before is not None:
        statement = statement.where(conversation.c.id < before)
    if states:
        statement = statement.where(conversation.c.state.in_(sorted(states)))
    return [_found(row) for row in tx.execute(statement.order_by(conversation.c.id.desc()).limit(limit))]


def codes(tx: Connection, conversation_id: int) -> frozenset[int]:
    """The sequence codes that have arrived; `core.conversation.missing` tells the others."""
    return frozenset(tx.execute(select(call.c.sequence_code).where(call.c.conversation_id == conversation_id)).scalars())


def lacking(tx: Connection, found: Found) -> list[int] | None:
    """The first sequence codes that have not arrived, a hundred at most; None if nobody knows any more: parts are deleted after a
    time, and their conversation is not.
    """
    if found.num_received == found.calls_in_conversation:
        return []
    arrived = codes(tx, found.id)
    return missing(arrived, found.calls_in_conversation) if len(arrived) == found.num_received else None


_FOUND = (
    conversation.c.key.label("conversation_id"),
    *(conversation.c[name] for name in Found.__slots__ if name != "conversation_id"),
)


def _found(row: Row[Any]) -> Found:
    said = row._asdict()
    return Found(**said | {"state": State(said["state"])})


def _by_key(rows: Sequence[Row[Any]]) -> dict[str, Standing]:
    return {row.key: Standing._make(row)._replace(state=State(row.state)) for row in rows}
