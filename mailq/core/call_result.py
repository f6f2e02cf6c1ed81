"""What a call came to, object by object."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """How it went for one object."""

    OK = "ok"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class CallResult:
    """What became of one object of a call.

    Attributes:
        ordinal: of the object within its call, from 1.
        correlation_id: the producer's own name for the object within its call.
        object_id: the public id of what was made or changed, where it has one.
        message: what was done, or what is at fault; one sentence.
        pointer: JSON pointer to what is at fault.
        details: plain JSON.
    """

    ordinal: int
    status: Status
    object_type: str
    message: str
    customer_key: str | None = None
    correlation_id: str | None = None
    object_id: str | None = None
    pointer: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def as_mapping(result: CallResult) -> dict[str, Any]:
    """A result as producers read it."""
    return {"type" if name == "object_type" else name: getattr(result, name) for name in CallResult.__slots__}
