"""The results of calls: written with the effects, found by call or conversation, and extracted for a time range."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, and_, any_, func, or_, select, text, tuple_

from mailq.core.call import Method, State
from mailq.core.call_result import CallResult, Status
from mailq.store.call_tables import call, call_result, conversation

_NAMES = ("ordinal", "status", "object_type", "message", "customer_key", "correlation_id", "object_id", "pointer", "details")


@dataclass(frozen=True, slots=True)
class Extracted:
    """One result with the call that it is of.

    Attributes:
        conversation_id: the producer's; None outside of any conversation.
    """

    request_id: str
    method: Method
    conversation_id: str | None
    sequence_code: int | None
    ended_at: datetime
    call_id: int
    result: CallResult


class After(NamedTuple):
    """The last result of the page before."""

    ended_at: datetime
    call_id: int
    ordinal: int


_ADD = text("""
INSERT INTO call_result (call_id, ordinal, status, object_type, message, customer_key, correlation_id, object_id, field, details)
SELECT call_id, ordinal, status, object_type, message, customer_key, correlation_id, object_id, field, CAST(details AS jsonb)
  FROM unnest(CAST(:call_id AS bigint[]), CAST(:ordinal AS integer[]), CAST(:status AS text[]), CAST(:object_type AS text[]),
              CAST(:message AS text[]), CAST(:customer_key AS text[]), CAST(:correlation_id AS text[]), CAST(:object_id AS text[]),
              CAST(:pointer AS text[]), CAST(:details AS text[]))
       AS one (call_id, ordinal, status, object_type, message, customer_key, correlation_id, object_id, field, details)
""")


def add(tx: Connection, results: Mapping[int, Sequence[CallResult]]) -> None:
    """Write the results of calls, by their rows; one statement for all."""
    all_of_them = [each for some in results.values() for each in some]
    if not all_of_them:
        return
    columns: dict[str, list[Any]] = {name: [getattr(each, name) for each in all_of_them] for name in _NAMES}
    columns["status"] = [str(status) for status in columns["status"]]
    columns["details"] = [json.dumps(dict(details), ensure_ascii=False) for details in columns["details"]]
    columns["call_id"] = [call_id for call_id, some in results.items() for _ in some]
    tx.execute(_ADD, columns)


def of_call(tx: Connection, call_id: int) -> list[CallResult]:
    """What became of the objects of a call, in their order."""
    statement = select(*_RESULT).where(call_result.c.call_id == call_id).order_by(call_result.c.ordinal)
    return [_result(row) for row in tx.execute(statement)]


def of_conversation(tx: Connection, conversation_id: int, *, limit: int, after: tuple[int, int] = (0, 0)) -> list[Extracted]:
    """The results of a conversation, in sequence.

    Args:
        conversation_id: its row.
        after: the sequence code and the ordinal of the last one of the page before.
    """
    place = tuple_(call.c.sequence_code, call_result.c.ordinal)
    # As an array, of which the planner expects few: else it may read the results of all calls that ever were.
    parts = select(call.c.id).where(call.c.conversation_id == conversation_id, call.c.sequence_code >= after[0])
    of_it = (call.c.conversation_id == conversation_id, call_result.c.call_id == any_(func.array(parts.scalar_subquery())))
    statement = _extracting().where(*of_it, place > tuple_(*after))
    return [_extracted(row) for row in tx.execute(statement.order_by(call.c.sequence_code, call_result.c.ordinal).limit(limit))]


def extract(
    tx: Connection, organization_id: int, *, since: datetime, until: datetime, limit: int, after: After | None = None
) -> list[Extracted]:
    """Results of calls that ended in a time range, in the order of their ends.

    Args:
        until: not included.
    """
    statement = _extracting().where(call.c.organization_id == organization_id, call.c.ended_at >= since, call.c.ended_at < until)
    if after is not None:
        begun = and_(call.c.ended_at == after.ended_at, call.c.id == after.call_id, call_result.c.ordinal > after.ordinal)
        # Twice the same, so that the index is searched from there.
        statement = statement.where(
            call.c.ended_at >= after.ended_at,
            or_(tuple_(call.c.ended_at, call.c.id) > tuple_(after.ended_at, after.call_id), begun),
        )
    in_order = statement.order_by(call.c.ended_at, call.c.id, call_result.c.ordinal).limit(limit)
    return [_extracted(row) for row in tx.execute(in_order)]


def num_in(tx: Connection, organization_id: int, *, since: datetime, until: datetime) -> int:
    """How many results calls have that ended in a time range; each object of one that has run has one.

    Args:
        until: not included.
    """
    ran = (call.c.organization_id == organization_id, call.c.state.in_([State.FINISHED, State.ERROR]))
    statement = select(func.coalesce(func.sum(call.c.num_objects), 0)).where(
        *ran, call.c.ended_at >= since, call.c.ended_at < until
    )
    return int(tx.execute(statement).scalar_one())


_RESULT = tuple(call_result.c["field" if name == "pointer" else name].label(name) for name in _NAMES)


def _extracting() -> Select[Any]:
    own = (call.c.public_id.label("request_id"), call.c.method, call.c.sequence_code, call.c.ended_at, call.c.id.label("call_id"))
    return (
        select(*own, conversation.c.key.label("conversation_id"), *_RESULT)
        .select_from(call)
        .join(call_result, call_result.c.call_id == call.c.id)
        .outerjoin(conversation, conversation.c.id == call.c.conversation_id)
    )


def _result(row: Row[Any]) -> CallResult:
    said = {name: getattr(row, name) for name in _NAMES}
    return CallResult(**said | {"status": Status(row.status)})


def _extracted(row: Row[Any]) -> Extracted:
    where = (row.request_id, Method(row.method), row.conversation_id, row.sequence_code, row.ended_at, row.call_id)
    return Extracted(*where, _result(row))
