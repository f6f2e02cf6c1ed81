"""What producers say of calls and are told of them: plain values, the same through every door."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Method = Literal["create", "update", "delete", "perform"]
RequestType = Literal["asynchronous", "synchronous"]
Priority = Literal["high", "normal", "low"]
ResponseType = Literal["none", "email", "http_post"]
RespondWhen = Literal["never", "on_error", "always", "on_conversation_error", "on_conversation_complete", "on_call_complete"]

SPOOLED = "spooled"
"""The state of a call that lies in an outbox or a spool: mailq does not have it yet."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer that a call asks for.

    Attributes:
        response_address: an e-mail address, or the URL of a webhook.
        include_results: whether the results come with it; in an e-mail as an attachment.
        include_objects: whether each result has its object, as it was received.
        only_include_base: of that object only its type and the names it goes by.
    """

    response_type: ResponseType
    response_address: str | None = None
    respond_when: RespondWhen = "always"
    include_results: bool = False
    include_objects: bool = False
    only_include_base: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A method on objects: taken at once, run soon, once.

    Attributes:
        objects: plain JSON, each with its `type`; `customer_key` is your own key for it, `correlation_id` your name for it in the results.
        request_type: `synchronous` runs it while you wait, and answers with its results.
        scheduled_time: not to be run before; with a time zone.
        conversation_id: your own id for calls that run in sequence once all are there; used once it is never to be had again.
        sequence_code, calls_in_conversation: its place, from 1, and how many parts there are; without both it is the only one.
        send_response_to: what is sent when it has run.
        key: your own name for the call: sent again, the same key with the same words is the same call. So is the same part of a
            conversation, by its place, without a key.
    """

    method: Method
    objects: Sequence[Mapping[str, Any]] = field(hash=False)
    request_type: RequestType = field(default="asynchronous", kw_only=True)
    scheduled_time: datetime | None = field(default=None, kw_only=True)
    priority: Priority = field(default="normal", kw_only=True)
    conversation_id: str | None = field(default=None, kw_only=True)
    sequence_code: int | None = field(default=None, kw_only=True)
    calls_in_conversation: int | None = field(default=None, kw_only=True)
    send_response_to: Sequence[Response] = field(default=(), hash=False, kw_only=True)
    key: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class CallResult:
    """What became of one object of a call.

    Attributes:
        ordinal: of the object within its call, from 1.
        status: `ok` or `error`.
        type: of the object.
        object_id: the id of what was made or changed, where it has one.
        message: what was done, or what is at fault.
        pointer: JSON pointer into the call, to what is at fault.
        request_id, sequence_code: of the call, in the results of a conversation.
    """

    ordinal: int
    status: str
    type: str
    message: str
    customer_key: str | None = None
    correlation_id: str | None = None
    object_id: str | None = None
    pointer: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict, hash=False)
    request_id: str | None = None
    sequence_code: int | None = None


@dataclass(frozen=True, slots=True)
class CallAccepted:
    """A call that was taken.

    Attributes:
        request_id: its id, `req_…`; None of one that lies in an outbox or a spool.
        created: False if an earlier call of the same key or place had made it.
        state: as it is now: `ready`, `scheduled`, `waiting` for other parts; of a synchronous call `finished` or `error`; `spooled`.
        maintenance: whether nothing is run until an operator ends that.
        results: of a synchronous call what it came to; None of every other one.
        error: why a synchronous call is in error.
    """

    request_id: str | None
    created: bool
    state: str
    conversation_id: str | None = None
    sequence_code: int | None = None
    maintenance: bool = False
    results: tuple[CallResult, ...] | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class CallState:
    """A call as it stands.

    Attributes:
        state: `waiting`, `scheduled`, `ready`, `finished`, `error`, `not_run`, `cancelled`.
        error: why it is in error, or never runs.
    """

    request_id: str
    key: str | None
    method: str
    state: str
    priority: str
    num_objects: int
    received_at: datetime
    conversation_id: str | None = None
    sequence_code: int | None = None
    calls_in_conversation: int | None = None
    scheduled_time: datetime | None = None
    ended_at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ConversationState:
    """A conversation as it stands.

    Attributes:
        state: `receiving`, `running`, `finished`, `error`.
        num_received: parts that have arrived.
        num_run: parts that have run, the one in error included.
        missing: sequence codes that have not arrived, the first hundred; None once its parts are deleted.
        error: why it is in error.
    """

    conversation_id: str
    state: str
    calls_in_conversation: int
    num_received: int
    num_run: int
    created_at: datetime
    last_part_at: datetime
    missing: tuple[int, ...] | None = ()
    error: str | None = None
    ended_at: datetime | None = None
