"""Calls: put down when they are accepted, found and listed ever after."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, select, text

from mailq.core.call import RANK, Method, Priority, State
from mailq.store.call_tables import call, conversation

_PRIORITIES: Mapping[int, Priority] = {rank: priority for priority, rank in RANK.items()}


@dataclass(frozen=True, slots=True)
class Entry:
    """A call to be put down; see the columns of `call`. Objects and responses are JSON.

    Attributes:
        state: None for what its time makes of it: ready, or scheduled.
    """

    public_id: str
    key: str | None
    digest: str
    method: str
    objects: str
    num_objects: int
    responses: str
    priority: int
    state: str | None
    conversation_id: int | None
    sequence_code: int | None
    scheduled_at: datetime | None


class Known(NamedTuple):
    """A call that has been put down, and what its producer said."""

    id: int
    public_id: str
    digest: str
    state: State


@dataclass(frozen=True, slots=True)
class Found:
    """A call as it stands.

    Attributes:
        id: its row, which its results go by.
        conversation_id: the producer's; None outside of any conversation.
        error: why it is in error, or never runs.
    """

    id: int
    request_id: str
    key: str | None
    method: Method
    state: State
    priority: Priority
    conversation_id: str | None
    sequence_code: int | None
    calls_in_conversation: int | None
    num_objects: int
    scheduled_at: datetime | None
    received_at: datetime
    ended_at: datetime | None
    error: str | None


# One statement for all. Their ids are in the order in which they were given; their keys are put down in an order of their own, so that
# two transactions that put the same ones down do not wait for each other.
_ADD = text("""
WITH one AS MATERIALIZED (
     SELECT nextval(CAST(pg_get_serial_sequence('call', 'id') AS regclass)) AS id, given.*
       FROM (SELECT * FROM unnest(
                    CAST(:public_id AS text[]), CAST(:key AS text[]), CAST(:digest AS text[]), CAST(:method AS text[]),
                    CAST(:objects AS text[]), CAST(:num_objects AS integer[]), CAST(:responses AS text[]),
                    CAST(:priority AS smallint[]), CAST(:state AS text[]),
                    CAST(:conversation_id AS bigint[]), CAST(:sequence_code AS integer[]), CAST(:scheduled_at AS timestamptz[]))
                    WITH ORDINALITY AS given (public_id, key, digest, method, objects, num_objects, responses, priority, state,
                                              conversation_id, sequence_code, scheduled_at, place)
              WHERE scheduled_at IS NULL OR scheduled_at >= statement_timestamp() - CAST(:skew AS interval)
              ORDER BY place) AS given)
INSERT INTO call (id, public_id, organization_id, key, digest, method, objects, num_objects, responses, priority, state,
                  conversation_id, sequence_code, scheduled_at)
OVERRIDING SYSTEM VALUE
SELECT id, public_id, CAST(:organization_id AS bigint), key, digest, method, CAST(objects AS jsonb), num_objects,
       CAST(responses AS jsonb), priority,
       coalesce(state, CASE WHEN scheduled_at > statement_timestamp() THEN 'scheduled' ELSE 'ready' END), conversation_id, sequence_code,
       scheduled_at
  FROM one ORDER BY key
    ON CONFLICT (organization_id, key) DO NOTHING
RETURNING public_id, id, digest, state
""")


def add(tx: Connection, organization_id: int, entries: Sequence[Entry], *, skew: timedelta) -> Mapping[str, Known]:
    """Put calls down; those whose key was free, or that have none, and whose time is not past by more than the skew, by public id.

    Calls whose time is to come are scheduled, the others ready, unless their entry says otherwise.
    """
    columns = {name: [getattr(entry, name) for entry in entries] for name in Entry.__slots__}
    rows = tx.execute(_ADD, {"organization_id": organization_id, "skew": skew, **columns})
    return {row.public_id: Known(row.id, row.public_id, row.digest, State(row.state)) for row in rows}


def by_keys(tx: Connection, organization_id: int, keys: Collection[str]) -> Mapping[str, Known]:
    """The calls of these keys."""
    columns = (call.c.key, call.c.id, call.c.public_id, call.c.digest, call.c.state)
    rows = tx.execute(select(*columns).where(call.c.organization_id == organization_id, call.c.key.in_(sorted(keys))))
    return {row.key: Known(row.id, row.public_id, row.digest, State(row.state)) for row in rows}


_IN_PLACES = text("""
SELECT conversation_id, sequence_code, id, public_id, digest, state
  FROM call JOIN unnest(CAST(:conversation_ids AS bigint[]), CAST(:sequence_codes AS integer[])) AS place (conversation_id, sequence_code)
       USING (conversation_id, sequence_code)
""")


def in_places(tx: Connection, places: Sequence[tuple[int, int]]) -> Mapping[tuple[int, int], Known]:
    """The parts that have these places: a conversation's row, and a sequence code."""
    facts = {"conversation_ids": [place[0] for place in places], "sequence_codes": [place[1] for place in places]}
    rows = tx.execute(_IN_PLACES, facts)
    return {(row.conversation_id, row.sequence_code): Known(row.id, row.public_id, row.digest, State(row.state)) for row in rows}


def find(tx: Connection, organization_id: int | None, request_id: str) -> Found | None:
    """A call; None if the organization has none of that id, or it has been pruned.

    Args:
        organization_id: whose; None for an operator, who sees all.
    """
    statement = _select(organization_id).where(call.c.public_id == request_id)
    return next((_found(row) for row in tx.execute(statement)), None)


def listed(
    tx: Connection,
    organization_id: int | None,
    *,
    limit: int,
    before: int | None = None,
    states: Collection[State] = (),
    conversation: int | None = None,
) -> list[Found]:
    """Calls, the newest first.

    Args:
        organization_id: whose; None for those of all.
        before: the row of the last one of the page before.
        states: only those in one of them.
        conversation: only the parts of this conversation, by its row.
    """
    statement = _select(organization_id).order_by(call.c.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(call.c.id < before)
    if states:
        statement = statement.where(call.c.state.in_(sorted(states)))
    if conversation is not None:
        statement = statement.where(call.c.conversation_id == conversation)
    return [_found(row) for row in tx.execute(statement)]


def parts(tx: Connection, conversation_id: int, *, limit: int, after: int = 0) -> list[Found]:
    """The parts of a conversation that have arrived, in sequence.

    Args:
        conversation_id: its row.
        after: the sequence code of the last one of the page before.
    """
    of_it = (call.c.conversation_id == conversation_id, call.c.sequence_code > after)
    statement = _select(None).where(*of_it).order_by(call.c.sequence_code).limit(limit)
    return [_found(row) for row in tx.execute(statement)]


def objects(tx: Connection, call_id: int) -> list[Mapping[str, Any]]:
    """What a call is about, as it was said."""
    return list(tx.execute(select(call.c.objects).where(call.c.id == call_id)).scalar_one())


_COLUMNS = (
    *(call.c[name] for name in ("id", "key", "method", "state", "sequence_code", "num_objects")),
    *(call.c[name] for name in ("scheduled_at", "received_at", "ended_at", "error")),
    call.c.public_id.label("request_id"),
    call.c.priority.label("rank"),
    conversation.c.key.label("conversation_id"),
    conversation.c.calls_in_conversation,
)


def _select(organization_id: int | None) -> Select[Any]:
    statement = select(*_COLUMNS).outerjoin(conversation, conversation.c.id == call.c.conversation_id)
    return statement if organization_id is None else statement.where(call.c.organization_id == organization_id)


def _found(row: Any) -> Found:
    said = row._asdict()
    priority = _PRIORITIES[said.pop("rank")]
    return Found(**said | {"priority": priority, "method": Method(said["method"]), "state": State(said["state"])})
