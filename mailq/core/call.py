"""A call: a method on objects that is accepted at once and run later, once, with its result; and what answers it wants."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """Where a call stands; see `NEXT` for the steps between."""

    WAITING = "waiting"
    """A part of a conversation: other parts are missing, or those before it have not run."""
    SCHEDULED = "scheduled"
    """Its time has not come."""
    READY = "ready"
    """To be run next, by priority and in the order of receipt."""
    FINISHED = "finished"
    """It has run, and all of its objects are as they should be."""
    ERROR = "error"
    """It has run, and at least one of its objects was refused; the results name each."""
    NOT_RUN = "not_run"
    """Its conversation went into error before its turn; it never runs."""
    CANCELLED = "cancelled"
    """Taken back by its producer before it ran; it never runs."""


NEXT: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.WAITING: frozenset({State.SCHEDULED, State.READY, State.NOT_RUN}),
        State.SCHEDULED: frozenset({State.READY, State.NOT_RUN, State.CANCELLED}),
        State.READY: frozenset({State.FINISHED, State.ERROR, State.NOT_RUN, State.CANCELLED}),
        State.FINISHED: frozenset(),
        State.ERROR: frozenset(),
        State.NOT_RUN: frozenset(),
        State.CANCELLED: frozenset(),
    }
)

OVER = frozenset(state for state in State if not NEXT[state])
"""The states of a call that has ended, one way or the other."""


class Method(StrEnum):
    """What is to be done with the objects."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    PERFORM = "perform"


class RequestType(StrEnum):
    """Whether the producer waits for the result."""

    SYNCHRONOUS = "synchronous"
    ASYNCHRONOUS = "asynchronous"


class Priority(StrEnum):
    """Which of the calls that may run is run first; among equals the one that was received first."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


RANK: Mapping[Priority, int] = MappingProxyType({Priority.HIGH: 1, Priority.NORMAL: 2, Priority.LOW: 3})
"""The order in which priorities run, as the database sorts them."""


class ResponseType(StrEnum):
    """How an answer is sent."""

    NONE = "none"
    EMAIL = "email"
    HTTP_POST = "http_post"


class RespondWhen(StrEnum):
    """What an answer is sent for. A call outside of any conversation is a conversation of one part."""

    NEVER = "never"
    """Results are retrieved, and nothing is sent."""
    ON_ERROR = "on_error"
    """The call ended in error, or never ran because its conversation did."""
    ALWAYS = "always"
    """The call ended, however that was."""
    ON_CONVERSATION_ERROR = "on_conversation_error"
    """The conversation went into error; once for each address."""
    ON_CONVERSATION_COMPLETE = "on_conversation_complete"
    """All parts of the conversation have run, and none was in error; once for each address."""
    ON_CALL_COMPLETE = "on_call_complete"
    """The call has run, with whatever result."""


class Event(StrEnum):
    """What an answer tells."""

    CALL_FINISHED = "call.finished"
    CALL_ERROR = "call.error"
    CALL_NOT_RUN = "call.not_run"
    CALL_CANCELLED = "call.cancelled"
    CONVERSATION_FINISHED = "conversation.finished"
    CONVERSATION_ERROR = "conversation.error"


TOLD: Mapping[RespondWhen, frozenset[Event]] = MappingProxyType(
    {
        RespondWhen.NEVER: frozenset(),
        RespondWhen.ON_ERROR: frozenset({Event.CALL_ERROR, Event.CALL_NOT_RUN}),
        RespondWhen.ALWAYS: frozenset({Event.CALL_FINISHED, Event.CALL_ERROR, Event.CALL_NOT_RUN, Event.CALL_CANCELLED}),
        RespondWhen.ON_CONVERSATION_ERROR: frozenset({Event.CONVERSATION_ERROR}),
        RespondWhen.ON_CONVERSATION_COMPLETE: frozenset({Event.CONVERSATION_FINISHED}),
        RespondWhen.ON_CALL_COMPLETE: frozenset({Event.CALL_FINISHED, Event.CALL_ERROR}),
    }
)
"""Which events each condition is about."""
