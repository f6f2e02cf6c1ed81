"""What clients say of calls. It is read here only so far that the engine can judge it; `CallOptions` and the objects are described."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from mailq.core.call import Priority, RequestType, RespondWhen, ResponseType
from mailq.core.conversation import MOST_PARTS
from mailq.engine.calls.order import MOST_RESPONSES
from mailq.web.api.bodies import Given
from mailq.web.api.given import Moment, Name


class CallBody(Given):
    """A call as far as it is read before the engine reads it."""

    method: str
    objects: list[dict[str, Any]]
    options: dict[str, Any] = Field(default_factory=dict)
    key: Name | None = None


class _Described(BaseModel):
    """A part of a body that is described here and judged by the engine."""

    model_config = ConfigDict(extra="forbid")


class CallResponse(_Described):
    """An answer that is sent when something has come to pass."""

    response_type: ResponseType = Field(description="how it is sent; a webhook is signed by Standard Webhooks")
    response_address: Annotated[str, Field(max_length=2000)] | None = Field(
        None, description="of an e-mail an address, of a webhook a URL", examples=["https://shop.example.org/hooks/mailq"]
    )
    respond_when: RespondWhen = Field(
        RespondWhen.ALWAYS,
        description="what it is sent for; a call outside of any conversation is a conversation of one part",
    )
    include_results: bool = Field(False, description="whether the results come with it; in an e-mail as an attachment")
    include_objects: bool = Field(False, description="whether each result has its object, as it was received")
    only_include_base: bool = Field(False, description="of the object only its type and the names it goes by")


class CallOptions(_Described):
    """How a call is run."""

    model_config = ConfigDict(
        json_schema_extra={
            "dependentRequired": {
                "sequence_code": ["conversation_id", "calls_in_conversation"],
                "calls_in_conversation": ["conversation_id", "sequence_code"],
            }
        }
    )

    request_type: RequestType = Field(
        RequestType.ASYNCHRONOUS,
        description="whether it is only accepted now and run later, or run now and answered with its results",
    )
    scheduled_time: Moment | None = Field(None, description="not to be run before; a part not either, when its turn has come")
    priority: Priority = Field(Priority.NORMAL, description="which of those that may run is run first")
    conversation_id: Name | None = Field(
        None,
        description="your own id for calls that run in sequence; used once it is never to be had again",
        examples=["import 7"],
    )
    sequence_code: Annotated[int, Field(ge=1, le=MOST_PARTS)] | None = Field(
        None, description="its place in the conversation, from 1; said together with the number of calls, or not at all"
    )
    calls_in_conversation: Annotated[int, Field(ge=1, le=MOST_PARTS)] | None = Field(
        None, description="how many parts there are; they run when all are there"
    )
    send_response_to: list[CallResponse] = Field(default_factory=list, max_length=MOST_RESPONSES, description="answers")
