"""When all is done: calls are sent once more, parts come too late, and ids are used that were used before."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from mailq.local.proof.calls.plots import Call, all_calls
from mailq.local.proof.calls.producers import Answer, Confirmed, Line, note

_NUM_ASKED = 100
_TRIES = 5


def merged(confirmed: Sequence[Confirmed]) -> Confirmed:
    """What all producers have sent and were told."""
    found = Confirmed()
    for each in confirmed:
        found.plot.calls += each.plot.calls
        found.plot.conversations += each.plot.conversations
        found.ids |= each.ids
        found.created |= each.created
        found.too_late |= each.too_late
        found.faults += each.faults
    return found


def ask_again(line: Line, confirmed: Confirmed, *, seed: int) -> None:
    """Send some of what was sent once more, what was left out, and other words in places that are taken; note what must not be."""
    calls = list(all_calls(confirmed.plot))
    for call in Random(seed).sample(calls, min(_NUM_ASKED, len(calls))):
        note(confirmed, call, _asked(line, call))
    for conversation in confirmed.plot.conversations[:_NUM_ASKED]:
        if conversation.left_out is not None:
            _require_refused(line, confirmed, conversation.parts[conversation.left_out - 1])
        first = conversation.parts[0]
        objects = [{"type": "suppression", "address": "nobody@mail.example"}]
        _require_refused(line, confirmed, replace(first, body={**first.body, "method": "create", "objects": objects}))


def _require_refused(line: Line, confirmed: Confirmed, call: Call) -> None:
    answer = _asked(line, call)
    if answer.status != 409:
        confirmed.faults.append(f"{call.name} should be refused, for its conversation has ended: {answer}")


def _asked(line: Line, call: Call) -> Answer:
    """The answer, of an API that nobody ends any more."""
    for _ in range(_TRIES):
        if (answer := line.ask("POST", "/v1/calls", call.body)) is not None:
            return answer
    return Answer(0, {"errors": [], "detail": "no answer"})
