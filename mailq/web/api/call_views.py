"""Calls and conversations, as clients are told of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Self

from pydantic import Field, JsonValue

from mailq.core.call import Event, Method, Priority, State
from mailq.core.call_result import CallResult, Status
from mailq.core.conversation import State as ConversationState
from mailq.core.notification import State as NotificationState
from mailq.engine.calls.at_once import Ended
from mailq.engine.calls.receiving import Received
from mailq.store.call_results import Extracted
from mailq.store.calls import Found
from mailq.store.conversations import Found as FoundConversation
from mailq.store.notifications import Found as FoundNotification
from mailq.web.api.views import Listed, View

_REQUEST_ID = ["req_0123456789abcdef"]
_MAINTENANCE = "everything is accepted, and nothing is run until an operator ends that"


class ReceivedCallView(View):
    """A call that was received. It is kept, and run when its time and its turn have come."""

    request_id: str = Field(examples=_REQUEST_ID)
    created: bool = Field(
        description="false if the same call had been received before, by its key or its place in a conversation"
    )
    state: State = Field(description="as it is now, of one received before too")
    conversation_id: str | None = Field(description="as you said it")
    sequence_code: int | None = Field(description="its place in the conversation")
    maintenance: bool = Field(description=_MAINTENANCE)


def received(call: Received, *, maintenance: bool) -> dict[str, Any]:
    """What `ReceivedCallView` describes, made without it: most requests are answered by it."""
    return {
        "request_id": call.request_id,
        "created": call.created,
        "state": call.state.value,
        "conversation_id": call.conversation_id,
        "sequence_code": call.sequence_code,
        "maintenance": maintenance,
    }


class CallResultView(View):
    """What became of one object of a call."""

    ordinal: int = Field(description="of the object within its call, from 1")
    status: Status
    type: str = Field(description="of the object", examples=["subscriber"])
    customer_key: str | None
    correlation_id: str | None = Field(description="your own name for the object within its call")
    object_id: str | None = Field(description="the id of what was made or changed, where it has one")
    message: str = Field(description="what was done, or what is at fault; for people")
    pointer: str | None = Field(
        description="JSON pointer into the body of the call, to what is at fault", examples=["/objects/0/to"]
    )
    details: dict[str, JsonValue] = Field(description="what else there is to know")

    @classmethod
    def of(cls, result: CallResult, **more: Any) -> Self:
        """As it was written down."""
        named = ("ordinal", "status", "customer_key", "correlation_id", "object_id", "message", "pointer", "details")
        return cls(type=result.object_type, **{name: getattr(result, name) for name in named}, **more)


class RunCallView(View):
    """A synchronous call: it has run, and this is what it came to."""

    request_id: str = Field(examples=_REQUEST_ID)
    created: bool = Field(description="false if the same call had been run before: this is what it came to then")
    state: State = Field(description="`finished`, or `error` if at least one of its objects was refused")
    ended_at: datetime
    error: str | None
    results: list[CallResultView]

    @classmethod
    def of(cls, ended: Ended) -> Self:
        """As it ended."""
        named = ("request_id", "created", "state", "ended_at", "error")
        return cls(results=[CallResultView.of(each) for each in ended.results], **{name: getattr(ended, name) for name in named})


class CallView(View):
    """A call."""

    request_id: str = Field(examples=_REQUEST_ID)
    key: str | None
    method: Method
    state: State
    priority: Priority
    conversation_id: str | None
    sequence_code: int | None
    calls_in_conversation: int | None
    num_objects: int
    scheduled_time: datetime | None
    received_at: datetime
    ended_at: datetime | None
    error: str | None = Field(description="why it is in error, or never runs")

    @classmethod
    def of(cls, found: Found, **more: Any) -> Self:
        """As its row has it."""
        named = {name: getattr(found, name) for name in CallView.model_fields if name != "scheduled_time"}
        return cls(scheduled_time=found.scheduled_at, **named, **more)


class CallPage(Listed[CallView]):
    """A page of calls."""


class CallStateView(CallView):
    """A call and what became of its objects, both of one moment."""

    results: list[CallResultView] = Field(description="none as long as it has not run")
    maintenance: bool = Field(description=_MAINTENANCE)


class ConversationView(View):
    """A conversation."""

    conversation_id: str = Field(examples=["orders of 2026-12-24"])
    state: ConversationState
    calls_in_conversation: int
    num_received: int = Field(description="parts that have arrived")
    num_run: int = Field(description="parts that have run, the one in error included")
    error: str | None = Field(description="why it is in error")
    created_at: datetime
    last_part_at: datetime = Field(description="when a part arrived last; the next one must not be too long in coming")
    ended_at: datetime | None

    @classmethod
    def of(cls, found: FoundConversation, **more: Any) -> Self:
        """As its row has it."""
        return cls(**{name: getattr(found, name) for name in ConversationView.model_fields}, **more)


class ConversationStateView(ConversationView):
    """A conversation and a page of its parts, in sequence."""

    missing: list[int] | None = Field(
        description="sequence codes that have not arrived, the first hundred; null once its calls have been deleted"
    )
    in_error: int | None = Field(description="sequence code of the part that put it into error, if one did")
    parts: list[CallView]
    next_cursor: str | None = Field(description="ask for the next parts with it; null where there are no more")
    maintenance: bool = Field(description=_MAINTENANCE)


class PartResultView(CallResultView):
    """What became of one object of a part."""

    request_id: str = Field(examples=_REQUEST_ID)
    sequence_code: int | None

    @classmethod
    def of_part(cls, found: Extracted) -> Self:
        """One of a conversation."""
        return cls.of(found.result, request_id=found.request_id, sequence_code=found.sequence_code)


class PartResultPage(Listed[PartResultView]):
    """A page of the results of a conversation, in sequence."""


class NotificationView(View):
    """An answer that a call has asked for. One sent by e-mail is a message, whose id says what became of it."""

    notification_id: str = Field(description="of a webhook its `webhook-id`", examples=["ntf_0123456789abcdef"])
    event: Event
    address: str
    state: NotificationState
    attempts: int
    created_at: datetime
    due_at: datetime | None = Field(description="when it is tried next")
    settled_at: datetime | None
    reply: str | None = Field(description="what the last attempt came to")
    message: str | None = Field(description="the id of the message, of an e-mail")

    @classmethod
    def of(cls, found: FoundNotification) -> Self:
        """As its row has it."""
        return cls(message=found.message_id, **{name: getattr(found, name) for name in cls.model_fields if name != "message"})


class NotificationPage(Listed[NotificationView]):
    """All answers of a call, or about a conversation."""


def notifications(found: Sequence[FoundNotification]) -> NotificationPage:
    """All of them on one page: a call has few."""
    return NotificationPage(data=[NotificationView.of(each) for each in found], next_cursor=None)


class MaintenanceView(View):
    """Whether things are processed."""

    maintenance: bool = Field(description=_MAINTENANCE)
    since: datetime | None = None
    why: str | None = None


class SubscriberView(View):
    """A subscriber."""

    customer_key: str
    address: str
    attributes: Mapping[str, JsonValue]
    status: str
    created_at: datetime
    updated_at: datetime


class RecipientListView(View):
    """A list of recipients."""

    customer_key: str
    name: str
    num_members: int
    created_at: datetime
    updated_at: datetime
