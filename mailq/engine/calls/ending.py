"""Calls and conversations end: results, states, what never runs and the answers, all in the transaction of the effects."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from mailq import telemetry
from mailq.core.call import State
from mailq.core.call_result import CallResult, Status
from mailq.core.conversation import State as ConversationState
from mailq.core.conversation import missing
from mailq.engine.calls.order import response_from
from mailq.engine.calls.responses import EndedCall, EndedConversation, Respond
from mailq.engine.calls.terms import Terms
from mailq.errors import Unavailable
from mailq.store import call_results, call_turns, conversations, faults
from mailq.store.call_turns import Due, End, NeverRun
from mailq.store.conversations import Ending, Held

log = telemetry.logger(__name__)

_MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Ran:
    """A call that has run in this transaction.

    Attributes:
        conversation: that it is a part of.
        objects: as they were received.
    """

    due: Due
    objects: Sequence[Mapping[str, Any]]
    results: Sequence[CallResult]
    conversation: Held | None = None

    @property
    def state(self) -> State:
        """What its results make of it."""
        return State.FINISHED if self.error is None else State.ERROR

    @property
    def error(self) -> str | None:
        """The first of its objects that was refused, and why."""
        return error_of(self.results)


@dataclass(frozen=True, slots=True)
class Over:
    """A conversation that has ended.

    Attributes:
        sequence_code: of the part in error, if one was.
        error: why it is in error.
        so: why what has not run never does.
    """

    held: Held
    num_run: int
    sequence_code: int | None = None
    error: str | None = None
    so: str | None = None

    @property
    def state(self) -> ConversationState:
        """How it ended."""
        return ConversationState.FINISHED if self.error is None else ConversationState.ERROR


def error_of(results: Sequence[CallResult]) -> str | None:
    """The first object that was refused, and why; None if all went well."""
    refused = [each for each in results if each.status is Status.ERROR]
    if not refused:
        return None
    others = f" ({len(refused):,} of {len(results):,} objects are in error)" if len(results) > 1 else ""
    return f"object {refused[0].ordinal:,}: {refused[0].message}{others}"


def end_calls(tx: Connection, ran: Sequence[Ran], respond: Respond) -> None:
    """Write what calls came to, and make the answers that they want."""
    if not ran:
        return
    call_results.add(tx, {each.due.id: each.results for each in ran})
    ended = call_turns.end(tx, [End(each.due.id, each.state, each.error) for each in ran])
    if len(ended) != len(ran):
        raise RuntimeError("a call that this transaction has locked was ended by another")
    for each in ran:
        if each.due.responses:
            told = EndedCall(
                organization_id=each.due.organization_id,
                call_id=each.due.id,
                request_id=each.due.public_id,
                method=each.due.method,
                state=each.state,
                ended_at=ended[each.due.id],
                num_objects=len(each.results),
                responses=[response_from(one) for one in each.due.responses],
                objects=each.objects,
                results=each.results,
                conversation_id=None if each.conversation is None else each.conversation.key,
                sequence_code=each.due.sequence_code,
                error=each.error,
            )
            _answer(tx, respond.call, told)


def end_conversations(tx: Connection, over: Sequence[Over], respond: Respond) -> None:
    """End conversations, with whatever of theirs has not run, and make the answers that are wanted."""
    if not over:
        return
    ended = conversations.note(tx, [Ending(each.held.id, each.num_run, each.state, each.error) for each in over])
    for each in over:
        if each.error is not None:
            why = each.so or each.error
            for part in call_turns.never_run(tx, each.held.id, why):
                if part.responses:
                    _answer(tx, respond.call, _never_run(part, State.NOT_RUN, why, conversation_id=each.held.key))
        told = EndedConversation(
            organization_id=each.held.organization_id,
            row=each.held.id,
            conversation_id=each.held.key,
            state=each.state,
            ended_at=ended[each.held.id],
            calls_in_conversation=each.held.calls_in_conversation,
            num_run=each.num_run,
            sequence_code=each.sequence_code,
            error=each.error,
        )
        _answer(tx, respond.conversation, told)


def end_late(tx: Connection, held: Sequence[Held], *, terms: Terms, respond: Respond) -> None:
    """End conversations, which this transaction has locked, because a part of theirs has not come in time."""
    gap = spelt(terms.part_gap)
    over = []
    for each in held:
        lacking = missing(conversations.codes(tx, each.id), each.calls_in_conversation, most=_MOST_NAMED + 1)
        named = ", ".join(str(code) for code in lacking[:_MOST_NAMED]) + (", …" if len(lacking) > _MOST_NAMED else "")
        why = f"no part has come for more than {gap}; missing of {each.calls_in_conversation:,}: {named}"
        over.append(Over(each, each.num_run, error=why, so=f"its conversation lacked parts for more than {gap}"))
        log.info("conversation.late", conversation=each.id)
    end_conversations(tx, over, respond)


def spelt(span: timedelta) -> str:
    """A time span for people."""
    seconds = round(span.total_seconds())
    number, unit = (seconds // 60, "minute") if seconds >= 60 and seconds % 60 == 0 else (seconds, "second")
    return f"{number:,} {unit}" + ("" if number == 1 else "s")


def end_cancelled(tx: Connection, call_id: int, respond: Respond, *, why: str) -> bool:
    """Take back a call, and make the answers that it wants; False if it has run, or if somebody is just running it."""
    cancelled = call_turns.cancel(tx, call_id, why)
    if cancelled is not None and cancelled.responses:
        _answer(tx, respond.call, _never_run(cancelled, State.CANCELLED, why))
    return cancelled is not None


def _never_run(call: NeverRun, state: State, why: str, *, conversation_id: str | None = None) -> EndedCall:
    return EndedCall(
        organization_id=call.organization_id,
        call_id=call.id,
        request_id=call.public_id,
        method=call.method,
        state=state,
        ended_at=call.ended_at,
        num_objects=call.num_objects,
        responses=[response_from(one) for one in call.responses],
        conversation_id=conversation_id,
        sequence_code=call.sequence_code,
        error=why,
    )


def _answer(tx: Connection, make: Callable[[Connection, Any], None], told: EndedCall | EndedConversation) -> None:
    """Make the answers that are wanted. A fault of ours in that must not keep calls from running, again and again."""
    savepoint = tx.begin_nested()
    try:
        make(tx, told)
    except Exception as error:
        if isinstance(error, Unavailable) or faults.ends_transaction(error):
            raise
        savepoint.rollback()
        log.exception("call.not_answered", conversation=told.conversation_id, state=told.state)
    else:
        savepoint.commit()
