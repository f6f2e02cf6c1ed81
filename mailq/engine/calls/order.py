"""What a call says, checked as far as it can be without asking the database. Fields are JSON pointers into what was said."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from mailq.core.call import Method, Priority, RequestType, RespondWhen, ResponseType
from mailq.core.conversation import MOST_PARTS
from mailq.core.plain_json import NotPlain, to_json
from mailq.engine.calls import kinds
from mailq.engine.calls.addresses import STRICT, Policy, require_response_address
from mailq.errors import BadInput

MOST_OBJECTS = 1000
"""Of one call."""
MOST_RESPONSES = 5
MOST_BYTES = 2_000_000
"""Of all objects of a call, as JSON."""

_LONGEST_NAME = 200
_CALL = frozenset({"method", "objects", "options", "key"})
_OPTIONS = frozenset(
    {
        "request_type",
        "scheduled_time",
        "priority",
        "conversation_id",
        "sequence_code",
        "calls_in_conversation",
        "send_response_to",
    }
)
_RESPONSE = frozenset(
    {"response_type", "response_address", "respond_when", "include_results", "include_objects", "only_include_base"}
)
_Choice = TypeVar("_Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Response:
    """One answer that a call asks for (seed: SendResponseTo).

    Attributes:
        include_results: whether the results come with it; in an e-mail as an attachment.
        include_objects: whether each result has its object, as it was received.
        only_include_base: of that object only what it is and goes by.
    """

    response_type: ResponseType
    response_address: str | None
    respond_when: RespondWhen
    include_results: bool = False
    include_objects: bool = False
    only_include_base: bool = False


@dataclass(frozen=True, slots=True)
class CallOrder:
    """A call that can be accepted. Made by `read`.

    Attributes:
        scheduled_time: in UTC; not to be run before.
        conversation_id: None outside of any conversation.
        key: the producer's own name for the call: sent again, the same words are the same call.
    """

    method: Method
    objects: tuple[Mapping[str, Any], ...]
    request_type: RequestType = RequestType.SYNCHRONOUS
    scheduled_time: datetime | None = None
    priority: Priority = Priority.NORMAL
    conversation_id: str | None = None
    sequence_code: int = 1
    calls_in_conversation: int = 1
    responses: tuple[Response, ...] = ()
    key: str | None = None

    def digest(self) -> str:
        """SHA-256 over all that was said but the key: what must be equal for two calls to be the same."""
        said = {
            "method": self.method,
            "objects": self.objects,
            "request_type": self.request_type,
            "scheduled_time": None if self.scheduled_time is None else self.scheduled_time.isoformat(),
            "priority": self.priority,
            "conversation": [self.conversation_id, self.sequence_code, self.calls_in_conversation],
            "responses": [as_mapping(each) for each in self.responses],
        }
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def as_mapping(response: Response) -> dict[str, Any]:
    """A response as it is stored, and as `response_from` reads it."""
    return {name: getattr(response, name) for name in Response.__slots__}


def response_from(stored: Mapping[str, Any]) -> Response:
    """A response as it was stored."""
    kind, when = ResponseType(stored["response_type"]), RespondWhen(stored["respond_when"])
    flags = {name: bool(stored[name]) for name in ("include_results", "include_objects", "only_include_base")}
    return Response(kind, stored["response_address"], when, **flags)


def read(said: Mapping[str, Any], *, key: str | None = None, policy: Policy = STRICT) -> CallOrder:
    """Read a call: `method`, `objects` and `options`.

    Args:
        said: plain JSON.
        key: the producer's own name for it, unless `said` has one.
        policy: what answers it may ask for.

    Raises:
        BadInput: `field` is a JSON pointer to what is at fault.
    """
    _require_known(said, _CALL, "")
    method = _one_of(Method, said.get("method"), "/method", "method")
    options = _mapping(said.get("options", {}), "/options")
    _require_known(options, _OPTIONS, "/options")
    objects = _objects(said.get("objects"), method)
    conversation_id, sequence_code, calls = _conversation(options)
    request_type = _one_of(
        RequestType, options.get("request_type", RequestType.ASYNCHRONOUS), "/options/request_type", "request_type"
    )
    order = CallOrder(
        method=method,
        objects=objects,
        request_type=request_type,
        scheduled_time=_moment(options.get("scheduled_time")),
        priority=_one_of(Priority, options.get("priority", Priority.NORMAL), "/options/priority", "priority"),
        conversation_id=conversation_id,
        sequence_code=sequence_code,
        calls_in_conversation=calls,
        responses=_responses(options.get("send_response_to", []), policy),
        key=_name(said.get("key", key), "/key", "key"),
    )
    if request_type is RequestType.SYNCHRONOUS:
        _require_at_once(options)
    return order


def _objects(said: object, method: Method) -> tuple[Mapping[str, Any], ...]:
    if not (isinstance(said, Sequence) and not isinstance(said, str) and 1 <= len(said) <= MOST_OBJECTS):
        raise BadInput(f"objects: must be a list of 1 to {MOST_OBJECTS:,} objects", field="/objects")
    found, seen = [], dict[str, int]()
    for place, each in enumerate(said):
        where = f"/objects/{place}"
        given = _mapping(each, where)
        correlation_id = _name(given.get("correlation_id"), f"{where}/correlation_id", "correlation_id")
        if correlation_id is not None and seen.setdefault(correlation_id, place) != place:
            raise BadInput(
                f"correlation_id: `{correlation_id}` is that of object {seen[correlation_id] + 1} already; it is unique in its call",
                field=f"{where}/correlation_id",
            )
        kinds.require(method, given, where)
        found.append(given)
    try:
        size = len(to_json(found).encode())
    except NotPlain as error:
        raise BadInput(f"objects: {error}", field="/objects") from None
    if size > MOST_BYTES:
        raise BadInput(f"objects: larger than {MOST_BYTES:,} bytes as JSON", field="/objects")
    return tuple(found)


def _conversation(options: Mapping[str, Any]) -> tuple[str | None, int, int]:
    """The id, and the two numbers: a conversation without them has one part."""
    conversation_id = _name(options.get("conversation_id"), "/options/conversation_id", "conversation_id")
    numbers = {name: options.get(name) for name in ("sequence_code", "calls_in_conversation")}
    given = [name for name, value in numbers.items() if value is not None]
    if not given:
        return conversation_id, 1, 1
    if conversation_id is None:
        raise BadInput(f"{given[0]}: needs a conversation_id", field=f"/options/{given[0]}")
    if len(given) == 1:
        other = next(name for name in numbers if name not in given)
        raise BadInput(f"{other}: is missing; {given[0]} needs it", field=f"/options/{other}")
    calls = _count(numbers["calls_in_conversation"], "calls_in_conversation", MOST_PARTS)
    return conversation_id, _count(numbers["sequence_code"], "sequence_code", calls), calls


def _count(value: object, name: str, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise BadInput(f"{name}: must be a whole number from 1 to {most:,}", field=f"/options/{name}")
    return value


def _responses(said: object, policy: Policy) -> tuple[Response, ...]:
    if not (isinstance(said, Sequence) and not isinstance(said, str) and len(said) <= MOST_RESPONSES):
        raise BadInput(f"send_response_to: must be a list of at most {MOST_RESPONSES}", field="/options/send_response_to")
    return tuple(
        _response(_mapping(each, where), where, policy)
        for place, each in enumerate(said)
        if (where := f"/options/send_response_to/{place}")
    )


def _response(said: Mapping[str, Any], where: str, policy: Policy) -> Response:
    _require_known(said, _RESPONSE, where)
    kind = _one_of(ResponseType, said.get("response_type"), f"{where}/response_type", "response_type")
    when = _one_of(RespondWhen, said.get("respond_when", RespondWhen.ALWAYS), f"{where}/respond_when", "respond_when")
    address = require_response_address(kind, said.get("response_address"), f"{where}/response_address", policy)
    flags = {
        name: _flag(said.get(name, False), f"{where}/{name}", name) for name in _RESPONSE if name.startswith(("include", "only"))
    }
    return Response(kind, address, when, **flags)


def _require_at_once(options: Mapping[str, Any]) -> None:
    for name in ("scheduled_time", "conversation_id", "send_response_to"):
        if options.get(name):
            raise BadInput(f"{name}: is for asynchronous calls; this one is answered at once", field=f"/options/{name}")


def _moment(said: object) -> datetime | None:
    where = "/options/scheduled_time"
    if said is None or isinstance(said, datetime):
        found = said
    elif isinstance(said, str):
        try:
            found = datetime.fromisoformat(said)
        except ValueError:
            found = None
    else:
        found = None
    if said is None:
        return None
    if found is None or found.tzinfo is None or not 2000 <= found.year < 2200:
        raise BadInput("scheduled_time: must be a time with its zone, such as 2026-12-24T18:00:00+01:00", field=where)
    return found.astimezone(UTC)


def _name(said: object, where: str, what: str) -> str | None:
    if said is None:
        return None
    if not (isinstance(said, str) and said.strip() and len(said) <= _LONGEST_NAME and said.isprintable()):
        raise BadInput(f"{what}: must be 1 to {_LONGEST_NAME} printable characters on one line", field=where)
    return said


def _flag(said: object, where: str, what: str) -> bool:
    if not isinstance(said, bool):
        raise BadInput(f"{what}: must be true or false", field=where)
    return said


def _one_of(kind: type[_Choice], said: object, where: str, what: str) -> _Choice:
    try:
        return kind(str(said))
    except ValueError:
        raise BadInput(f"{what}: must be one of {', '.join(kind)}", field=where) from None


def _mapping(said: object, where: str) -> Mapping[str, Any]:
    if not isinstance(said, Mapping):
        raise BadInput(f"{where or 'the call'}: must be an object", field=where or "content")
    return said


def _require_known(said: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    for name in said:
        if name not in known:
            raise BadInput(f"{name}: is unknown here; there is {', '.join(sorted(known))}", field=f"{where}/{name}")
