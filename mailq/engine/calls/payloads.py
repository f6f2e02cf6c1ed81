"""What an answer tells: thin JSON in the form of Standard Webhooks 1.0.0, made once and sent as it is on every attempt."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from mailq.core.call import Event
from mailq.core.call_result import CallResult, as_mapping
from mailq.core.plain_json import to_json
from mailq.engine.calls.kind import COMMON
from mailq.engine.calls.order import Response
from mailq.engine.calls.responses import EndedCall, EndedConversation

MOST_POSTED_BYTES = 20_000
"""Of a webhook; receivers are not made for more."""
MOST_MAILED_BYTES = 2_500_000
"""Of an attachment: the results of any call, with the objects that it was about."""
_LONGEST_ERROR = 1000


def of_call(ended: EndedCall) -> dict[str, Any]:
    """What is told of a call, its results apart."""
    return {
        "request_id": ended.request_id,
        "conversation_id": ended.conversation_id,
        "sequence_code": ended.sequence_code,
        "method": ended.method,
        "state": ended.state,
        "error": _short(ended.error),
        "num_objects": ended.num_objects,
        "results_at": f"/v1/calls/{ended.request_id}",
    }


def of_conversation(ended: EndedConversation) -> dict[str, Any]:
    """What is told of a conversation, its results apart. `sequence_code` is that of the part in error."""
    return {
        "request_id": None,
        "conversation_id": ended.conversation_id,
        "sequence_code": ended.sequence_code,
        "state": ended.state,
        "error": _short(ended.error),
        "calls_in_conversation": ended.calls_in_conversation,
        "num_run": ended.num_run,
        "results_at": f"/v1/conversations/{quote(ended.conversation_id, safe='')}/results",
    }


def told(result: CallResult, given: Mapping[str, Any] | None, response: Response) -> dict[str, Any]:
    """One result as an answer has it.

    Args:
        given: the object, as it was received.
    """
    entry = as_mapping(result)
    if response.include_objects and given is not None:
        entry["object"] = {name: given[name] for name in given if name in COMMON} if response.only_include_base else dict(given)
    return entry


def payload(
    event: Event, at: datetime, data: Mapping[str, Any], results: Iterable[Mapping[str, Any]] | None, *, most_bytes: int
) -> str:
    """The answer as JSON of less than so many bytes: of the results those from the first on that there is room for.

    Args:
        results: None if none are wanted.
    """
    said = {"type": event, "timestamp": at.isoformat().replace("+00:00", "Z"), "data": dict(data)}
    if results is None:
        return to_json(said)
    # Filled in as text: what a result takes is known then, and nothing is written twice.
    frame = to_json({**said, "data": {**data, "results_truncated": False, "results": []}}).removesuffix("]}}")
    taken, cut = _that_fit(map(to_json, results), most_bytes - len(frame.encode()) - len("]}}"))
    if cut:
        frame = to_json({**said, "data": {**data, "results_truncated": True, "results": []}}).removesuffix("]}}")
    return f"{frame}{','.join(taken)}]}}}}"


def _that_fit(entries: Iterable[str], room_bytes: int) -> tuple[list[str], bool]:
    """The first entries that there is room for, and whether there were more."""
    ahead = iter(entries)
    taken: list[str] = []
    for entry in ahead:
        room_bytes -= len(entry.encode()) + 1
        if room_bytes <= 0:
            return taken, True
        taken.append(entry)
    return taken, False


def _short(error: str | None) -> str | None:
    if error is None or len(error) <= _LONGEST_ERROR:
        return error
    return error[: _LONGEST_ERROR - 1] + "…"
