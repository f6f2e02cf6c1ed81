"""Whether each answer that was asked for came, was taken, and was the same on every attempt; and whether no other one came."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mailq.core.call import TOLD, Event, State
from mailq.core.notification import State as NotificationState
from mailq.local.proof.calls.books import Notified
from mailq.local.proof.calls.plots import Asked, Conversation, told_at
from mailq.local.proof.calls.receiver import Told
from mailq.local.proof.calls.sides import Findings, Round

_Place = tuple[str, str]
"""An address and an event."""


@dataclass
class _Heard:
    """What the receiver heard.

    Attributes:
        ids: the webhook ids of each answer.
        bodies: what came under each of them.
        taken: those that it said it had taken.
    """

    ids: dict[_Place, set[str]] = field(default_factory=dict)
    bodies: dict[str, set[bytes]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)


def faults(this: Round, findings: Findings) -> Iterator[str]:
    """What must not be, in words."""
    heard, wanted = _Heard(), _wanted(this)
    for told in this.told:
        yield from _hear(heard, told)
    findings.num_answers += len(heard.ids)
    findings.num_attempts += len(this.told)
    noted = {(told_at(each.address), each.event): each for each in this.books.notified}
    if len(noted) != len(this.books.notified):
        yield "there are two answers about the same at one address"
    for place in wanted | heard.ids.keys() | noted.keys():
        if place in wanted:
            yield from _differing(place, heard, noted.get(place))
        else:
            yield f"{_called(place)} tells what did not happen, or was not asked for: {sorted(heard.ids.get(place, ()))}"


def _hear(heard: _Heard, told: Told) -> Iterator[str]:
    try:
        place = (told.path, str(json.loads(told.payload)["type"]))
    except (ValueError, KeyError, TypeError):
        yield f"what came at {told.path} is no answer: {told.payload[:200]!r}"
        return
    heard.ids.setdefault(place, set()).add(told.webhook_id)
    heard.bodies.setdefault(told.webhook_id, set()).add(told.payload)
    if told.taken:
        heard.taken.add(told.webhook_id)
    if not told.genuine:
        yield f"{told.webhook_id}, which came at {told.path}, has another signature"


def _differing(place: _Place, heard: _Heard, noted: Notified | None) -> Iterator[str]:
    ids = heard.ids.get(place, set())
    if noted is None or noted.state != NotificationState.SENT:
        yield f"{_called(place)} is {noted and noted.state} in the books"
    elif ids != {noted.public_id}:
        yield f"{_called(place)} came as {sorted(ids) or 'nothing'}, and is {noted.public_id} in the books"
    elif noted.public_id not in heard.taken:
        yield f"{_called(place)} was never taken"
    elif heard.bodies[noted.public_id] != {noted.payload.encode()}:
        yield f"{_called(place)} came with {len(heard.bodies[noted.public_id])} bodies, or another one than the books have"


def _called(place: _Place) -> str:
    return f"the answer {place[1]} at {place[0]}"


def _wanted(this: Round) -> set[_Place]:
    """Which answers must have been given: where, and what about."""
    found: set[_Place] = set()
    for call, state in this.expected.values():
        events = {Event(f"call.{state}")}
        if "conversation_id" not in call.body["options"] and state in (State.FINISHED, State.ERROR):
            # Outside of any conversation a call is one of one part.
            events.add(Event(f"conversation.{state}"))
        found |= _answers(call.asked, events)
    for conversation in this.plot.conversations:
        if _is_known(this, conversation):
            found |= _answers(conversation.asked, {Event(f"conversation.{this.outcome(conversation)}")})
    return found


def _is_known(this: Round, conversation: Conversation) -> bool:
    """Whether a part has said what answers are wanted about the whole."""
    paths = {each.path for each in conversation.asked}
    said = {
        told_at(response["response_address"])
        for part in conversation.parts
        if part.name in this.ids
        for response in part.body["options"]["send_response_to"]
    }
    return paths <= said


def _answers(asked: Iterable[Asked], events: set[Event]) -> set[_Place]:
    return {(each.path, event) for each in asked for event in events if event in TOLD[each.when]}
