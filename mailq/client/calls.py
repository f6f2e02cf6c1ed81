"""Calls as plain JSON, which is the body of a request for one, and back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from mailq.client.call_values import Call, Response
from mailq.core.plain_json import NotPlain, to_json
from mailq.errors import BadInput

_OPTIONS = ("request_type", "scheduled_time", "priority", "conversation_id", "sequence_code", "calls_in_conversation")


def document(call: Call) -> dict[str, Any]:
    """What is set of it, plain.

    Raises:
        BadInput: no JSON can hold what it says; `field` is a JSON pointer.
    """
    found: dict[str, Any] = {"method": call.method, "objects": _plain("/objects", call.objects)}
    options = {name: _moment(given) for name in _OPTIONS if (given := getattr(call, name)) is not None}
    if call.send_response_to:
        options["send_response_to"] = _responses(call.send_response_to)
    found["options"] = {name: _plain(f"/options/{name}", given) for name, given in options.items()}
    return found if call.key is None else found | {"key": call.key}


def call_of(found: Mapping[str, Any]) -> Call:
    """The call of which `document` made a mapping.

    Raises:
        TypeError, ValueError, KeyError: it was not made by it.
    """
    options = dict(found["options"])
    responses = tuple(Response(**each) for each in options.pop("send_response_to", ()))
    if "scheduled_time" in options:
        options["scheduled_time"] = datetime.fromisoformat(options["scheduled_time"])
    return Call(found["method"], found["objects"], send_response_to=responses, key=found.get("key"), **options)


def require_call(given: Call) -> Call:
    """What is given, if it is a call.

    Raises:
        BadInput: it is none.
    """
    if not isinstance(given, Call):
        raise BadInput(f"give a Call, not {type(given).__name__}")
    return given


def is_named(call: Call) -> bool:
    """Whether the same call is known again: by its key, or by its place in a conversation."""
    return call.key is not None or call.conversation_id is not None


def named(call: Call, key: str) -> Call:
    """The call, of this key unless it is known again already."""
    return call if is_named(call) else replace(call, key=key)


def _responses(given: Any) -> Any:
    if not isinstance(given, Sequence) or isinstance(given, str):
        return given
    return [asdict(each) if isinstance(each, Response) else each for each in given]


def _moment(given: Any) -> Any:
    return given.isoformat() if isinstance(given, datetime) else given


def _plain(where: str, given: Any) -> Any:
    """As whoever reads it will have it: nothing of it is the producer's own any more."""
    try:
        return json.loads(to_json(given))
    except NotPlain as error:
        raise BadInput(f"{where.rpartition('/')[2]}: {error}", field=where) from None
