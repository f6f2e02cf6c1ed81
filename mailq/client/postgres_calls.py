"""Calls through the door over PostgreSQL: each of these is done within a transaction of whoever asks."""

from sqlalchemy import Connection

from mailq.client.call_values import CallAccepted, CallResult, CallState, ConversationState
from mailq.core import call_result
from mailq.core.call import RequestType
from mailq.engine.calls import at_once, cancelling, receiving
from mailq.engine.calls.answering import Answering
from mailq.engine.calls.kind import Means
from mailq.engine.calls.order import CallOrder
from mailq.engine.calls.receiving import Received, Refusal
from mailq.engine.calls.terms import Terms
from mailq.errors import NotFound
from mailq.store import call_results, calls, conversations, maintenance
from mailq.store.calls import Found
from mailq.store.conversations import Found as FoundConversation

TERMS = Terms()
"""The settings of the workers are not known to producers."""

_ANSWERS = Answering(None)


def take(tx: Connection, organization_id: int, order: CallOrder) -> CallAccepted | Refusal:
    """Put a call down; run it, if it is synchronous. A refusal is a value, because the transaction is to be committed: the call may
    have come too late for its conversation, which ends with that.

    Raises:
        Conflict, Unavailable: as `at_once.run_now`.
    """
    if order.request_type is RequestType.SYNCHRONOUS:
        ended = at_once.run_now(tx, organization_id, order, means=Means(organization_id), terms=TERMS)
        results = tuple(map(_result, ended.results))
        return CallAccepted(ended.request_id, ended.created, str(ended.state), results=results, error=ended.error)
    [answer] = receiving.receive(tx, organization_id, [order], terms=TERMS)
    if not isinstance(answer, Received):
        return answer
    resting = maintenance.standing(tx) is not None
    return CallAccepted(
        answer.request_id, answer.created, str(answer.state), answer.conversation_id, answer.sequence_code, maintenance=resting
    )


def state(tx: Connection, organization_id: int, request_id: str) -> CallState:
    """A call as it stands.

    Raises:
        NotFound: the organization has no such call, or it has been deleted.
    """
    return _state(_found(tx, organization_id, request_id))


def results(tx: Connection, organization_id: int, request_id: str) -> list[CallResult]:
    """What became of the objects of a call.

    Raises:
        NotFound: as `state`.
    """
    return [_result(each) for each in call_results.of_call(tx, _found(tx, organization_id, request_id).id)]


def cancel(tx: Connection, organization_id: int, request_id: str) -> CallState:
    """Take a call back.

    Raises:
        NotFound, Conflict: as `cancelling.cancel`.
    """
    return _state(cancelling.cancel(tx, organization_id, request_id, respond=_ANSWERS))


def conversation(tx: Connection, organization_id: int, conversation_id: str) -> ConversationState:
    """A conversation as it stands.

    Raises:
        NotFound: the organization has never used this id.
    """
    found = _conversation(tx, organization_id, conversation_id)
    named = ("conversation_id", "calls_in_conversation", "num_received", "num_run", "error")
    times = ("created_at", "last_part_at", "ended_at")
    said = {name: getattr(found, name) for name in named + times}
    lacking = conversations.lacking(tx, found)
    return ConversationState(state=str(found.state), missing=None if lacking is None else tuple(lacking), **said)


def conversation_results(
    tx: Connection, organization_id: int, conversation_id: str, *, after: tuple[int, int], limit: int
) -> list[CallResult]:
    """The next results of a conversation, in sequence; none at the end.

    Raises:
        NotFound: as `conversation`.
    """
    row = _conversation(tx, organization_id, conversation_id).id
    found = call_results.of_conversation(tx, row, limit=limit, after=after)
    return [_result(each.result, each.request_id, each.sequence_code) for each in found]


def place(result: CallResult) -> tuple[int, int]:
    """Where a result stands in its conversation."""
    return result.sequence_code or 0, result.ordinal


def _found(tx: Connection, organization_id: int, request_id: str) -> Found:
    found = calls.find(tx, organization_id, request_id)
    if found is None:
        raise NotFound(f"there is no call `{request_id}`")
    return found


def _conversation(tx: Connection, organization_id: int, conversation_id: str) -> FoundConversation:
    found = conversations.find(tx, organization_id, conversation_id)
    if found is None:
        raise NotFound(f"there is no conversation `{conversation_id}`")
    return found


def _state(found: Found) -> CallState:
    named = ("request_id", "key", "num_objects", "received_at", "conversation_id", "sequence_code", "calls_in_conversation")
    said = {name: getattr(found, name) for name in (*named, "ended_at", "error")}
    words = {"method": str(found.method), "state": str(found.state), "priority": str(found.priority)}
    return CallState(scheduled_time=found.scheduled_at, **said | words)


def _result(found: call_result.CallResult, request_id: str | None = None, sequence_code: int | None = None) -> CallResult:
    named = ("ordinal", "message", "customer_key", "correlation_id", "object_id", "pointer", "details")
    said = {name: getattr(found, name) for name in named}
    status, kind = str(found.status), found.object_type
    return CallResult(status=status, type=kind, request_id=request_id, sequence_code=sequence_code, **said)
