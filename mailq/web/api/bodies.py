"""Bodies: JSON into strict models, in one reading by pydantic's own parser, and words for everything that can be wrong with one."""

import json
import math
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, TypeVar

from anyio import to_thread
from fastapi import Request
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json
from starlette.requests import ClientDisconnect

from mailq.web.api.problems import Fault, Problem, pointer, unfit

Model = TypeVar("Model", bound=BaseModel)

AT_ONCE = 1 << 15
"""Bytes of a body that is read where it comes; a larger one would keep other requests waiting."""

_MOST_FAULTS = 50
_MOST_LISTED = 1000
"""Beyond, nobody is told what they are: to spell out a hundred thousand would keep everybody else waiting."""

_LONGEST_STEP = 100
_LARGEST = 10**300
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class Given(BaseModel):
    """What a client says: nothing unknown, nothing converted."""

    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True, frozen=True)


async def read_body(model: type[Model], request: Request) -> Model:
    """The body of a request as a model.

    Raises:
        Problem: it is of another media type, no JSON, or not what is asked for.
        ClientDisconnect: the client has left.
    """
    require_json(request)
    body = await whole(request)
    if len(body) <= AT_ONCE:
        return parse(model, body)
    return await to_thread.run_sync(parse, model, body)


def parse(model: type[Model], body: bytes) -> Model:
    """Read a body.

    Raises:
        Problem: it is no JSON, or not what is asked for.
    """
    try:
        found = model.model_validate_json(body)
    except ValidationError as error:
        raise _refused(error) from None
    if b"\\u0000" in body and _NUL.search(body):
        where = pointer(*_place_of_nul(from_json(body)))
        raise unfit("the body contains a NUL character", {"pointer": where, "detail": "contains a NUL character"})
    return found


async def whole(request: Request) -> bytes:
    """All of a body; the guard has an eye on its size.

    Raises:
        ClientDisconnect: the client has left.
    """
    parts = [part async for part in pieces(request)]
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def pieces(request: Request) -> AsyncIterator[bytes]:
    """A body as it comes."""
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        yield message.get("body", b"")
        more = message.get("more_body", False)


def require_json(request: Request) -> None:
    """Refuse a body that does not call itself JSON, or is packed.

    Raises:
        Problem: it does not.
    """
    require_type(request, "application/json")
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Problem(415, "a JSON body is not packed", headers={"Accept-Encoding": "identity"})


def require_type(request: Request, *known: str) -> str:
    """The media type of a body.

    Raises:
        Problem: it is none of the known ones.
    """
    given, _, rest = request.headers.get("content-type", "").partition(";")
    kind = given.strip().lower()
    charset = re.search(r"charset\s*=\s*\"?([\w-]+)", rest, re.IGNORECASE)
    if kind not in known or (charset and charset[1].lower() not in {"utf-8", "utf8", "us-ascii"}):
        raise Problem(415, f"the body has to be {' or '.join(known)}, in UTF-8", headers={"Accept-Post": ", ".join(known)})
    return kind


def require_storable(values: Mapping[str, Any], *above: str | int) -> None:
    """Refuse numbers that JSON has no words for, or nobody a use.

    Raises:
        Problem: with a pointer to the first of them.
    """
    for where in _beyond(values, above):
        raise unfit("a number is too large", {"pointer": pointer(*where), "detail": "is too large a number"})


def _refused(error: ValidationError) -> Problem:
    if (num := error.error_count()) > _MOST_LISTED:
        return unfit(f"the body is not as it should be, in {num:,} places")
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    if faults[0]["type"] == "json_invalid":
        return Problem(400, f"the body cannot be read. {faults[0]['msg']}")
    return unfit("the body is not as it should be", *(_fault(each) for each in faults[:_MOST_FAULTS]))


def _fault(error: Mapping[str, Any]) -> Fault:
    steps = (step if isinstance(step, int) else str(step)[:_LONGEST_STEP] for step in error["loc"])
    return {"pointer": pointer(*steps), "detail": str(error["msg"]).removeprefix("Value error, ")}


def _place_of_nul(value: Any) -> list[str | int]:
    """Where a NUL stands. Looked for by halves, so that the walk is json's: ours would keep everybody else waiting for seconds."""
    steps: list[str | int] = []
    # Of a name that is said twice the last value counts, and that need not be the one with the NUL.
    while isinstance(value, dict | list) and _has_nul(value):
        members: list[tuple[str | int, Any]] = list(value.items() if isinstance(value, dict) else enumerate(value))
        while len(members) > 1:
            half = members[: len(members) // 2]
            members = half if _has_nul(half) else members[len(half) :]
        step, value = members[0]
        if isinstance(step, str) and "\0" in step:
            break
        steps.append(step)
    return steps


def _has_nul(value: Any) -> bool:
    return "\\u0000" in json.dumps(value).replace("\\\\", "")


def _beyond(value: Any, above: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    match value:
        case float() if not math.isfinite(value):
            yield above
        case int() if not -_LARGEST < value < _LARGEST:
            yield above
        case Mapping():
            for name, each in value.items():
                yield from _beyond(each, (*above, name))
        case list() | tuple():
            for place, each in enumerate(value):
                yield from _beyond(each, (*above, place))
        case _:
            return
