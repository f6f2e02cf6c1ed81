"""What producers send: calls of their own, and conversations, each with what must become of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import urlsplit

from mailq.core.call import Method, Priority, RespondWhen, State

_SENDER = "Shop <shop@mailq.example>"
_SHARE_THAT_FAILS = 0.25
_SHARE_LEFT_OPEN = 0.1
_SHARE_ANSWERED = 0.5
_OF_CALLS = (RespondWhen.ALWAYS, RespondWhen.ON_ERROR, RespondWhen.ON_CALL_COMPLETE, RespondWhen.NEVER)
_OF_CONVERSATIONS = (RespondWhen.ON_CONVERSATION_COMPLETE, RespondWhen.ON_CONVERSATION_ERROR)
_STEPS = (Method.CREATE, Method.UPDATE, Method.DELETE)


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer that was asked for, at an address that nothing else is sent to."""

    path: str
    when: RespondWhen


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Attributes:
        name: unique; its key, or its place in its conversation.
        body: as it is sent, word for word the same each time.
        becomes: the state that it ends in, if it runs.
        mails: addresses that get one mail if it runs.
        synchronous: whether it is answered with its results.
        taken_back: whether its producer cancels it.
    """

    name: str
    body: Mapping[str, Any]
    becomes: State
    mails: tuple[str, ...] = ()
    asked: tuple[Asked, ...] = ()
    synchronous: bool = False
    taken_back: bool = False


@dataclass(frozen=True, slots=True)
class Conversation:
    """Calls that are to run in sequence.

    Attributes:
        parts: by sequence code, from 1.
        fails_at: sequence code of the part in error.
        left_out: sequence code of the part that is not sent in time.
        asked: answers about the whole.
    """

    id: str
    parts: tuple[Call, ...]
    fails_at: int | None = None
    left_out: int | None = None
    asked: tuple[Asked, ...] = ()

    @property
    def sent(self) -> list[Call]:
        """The parts that are sent."""
        return [part for code, part in enumerate(self.parts, 1) if code != self.left_out]


@dataclass
class Plot:
    """All that one producer has sent."""

    calls: list[Call] = field(default_factory=list)
    conversations: list[Conversation] = field(default_factory=list)


class Writer:
    """Writes what one producer sends.

    Args:
        name: begins the names of all it writes.
        bases: where answers may be sent.
    """

    def __init__(self, name: str, dice: Random, bases: Sequence[str], *, most_parts: int) -> None:
        self._name = name
        self._dice = dice
        self._bases = bases
        self._most_parts = most_parts
        self._number = 0

    def some(self) -> Plot:
        """A conversation or two, and some calls of their own, which are sent all mixed up."""
        dice = self._dice
        conversations = [self._conversation() for _ in range(dice.randint(1, 2))]
        return Plot([self._call() for _ in range(dice.randint(2, 6))], conversations)

    def _next(self) -> str:
        self._number += 1
        return f"{self._name}n{self._number}"

    def _call(self) -> Call:
        dice, name = self._dice, self._next()
        options: dict[str, Any] = {"priority": dice.choice([*Priority]).value}
        objects = [_message(name), _subscriber(name)]
        what = dice.random()
        if what < 0.15:
            options["request_type"] = "synchronous"
            return Call(name, _body("create", objects, options, key=name), State.FINISHED, (_address(name),), synchronous=True)
        asked, responses = self._answers(name, [*_OF_CALLS, *_OF_CONVERSATIONS])
        options["send_response_to"] = responses
        if what < 0.25:
            options["scheduled_time"] = _in(timedelta(days=1))
            return Call(name, _body("create", objects, options, key=name), State.CANCELLED, asked=asked, taken_back=True)
        if what < 0.45:
            options["scheduled_time"] = _in(timedelta(seconds=dice.uniform(0.2, 3)))
        if what > 0.85:
            objects.append(_subscriber(name))
        becomes = State.ERROR if what > 0.85 else State.FINISHED
        return Call(name, _body("create", objects, options, key=name), becomes, (_address(name),), asked)

    def _conversation(self) -> Conversation:
        dice, name = self._dice, self._next()
        length = dice.randint(2, self._most_parts)
        chance = dice.random()
        fails_at = dice.randint(1, length) if chance < _SHARE_THAT_FAILS else None
        left_out = dice.randint(1, length) if chance > 1 - _SHARE_LEFT_OPEN else None
        asked, responses = self._answers(f"{name}-all", [*_OF_CONVERSATIONS])
        wants = [responses, *[[] for _ in range(length - 1)]]
        if dice.random() < 0.5:
            # Two parts that want the same told of their conversation are answered once.
            wants[-1] = responses
        if left_out is not None:
            # Of a part that never comes nobody knows what it wants.
            wants[left_out - 1], wants[left_out % length] = [], responses
        parts = [self._part(name, code, length, fails=code == fails_at, wants=wants[code - 1]) for code in range(1, length + 1)]
        return Conversation(name, tuple(parts), fails_at, left_out, asked)

    def _part(self, of: str, code: int, length: int, *, fails: bool, wants: list[dict[str, Any]]) -> Call:
        """One step of a subscriber's life: it is made, changed, and deleted. None goes well but after the one before, and once."""
        name = f"{of}-{code}"
        asked, responses = self._answers(name, _OF_CALLS)
        step = _STEPS[(code - 1) % len(_STEPS)]
        objects = [_step(of, step, code)]
        mails: tuple[str, ...] = ()
        if step is Method.CREATE:
            objects.append(_message(name))
            mails = (_address(name),)
        if fails:
            # What is before it in its call stays done.
            objects.append(objects[0] if step is Method.CREATE else _step(f"nobody-{of}", step, code))
        options = {
            "conversation_id": of,
            "sequence_code": code,
            "calls_in_conversation": length,
            "send_response_to": [*responses, *wants],
        }
        if self._dice.random() < 0.1:
            options["scheduled_time"] = _in(timedelta(seconds=self._dice.uniform(0.2, 2)))
        return Call(name, _body(step, objects, options), State.ERROR if fails else State.FINISHED, mails, asked)

    def _answers(self, name: str, conditions: Sequence[RespondWhen]) -> tuple[tuple[Asked, ...], list[dict[str, Any]]]:
        """Which answers are asked for, and how that is said; each has an address of its own."""
        if self._dice.random() > _SHARE_ANSWERED:
            return (), []
        chosen = self._dice.sample(conditions, self._dice.randint(1, 2))
        asked = tuple(Asked(f"/{name}/{when}", when) for when in chosen)
        return asked, [
            {
                "response_type": "http_post",
                "response_address": self._dice.choice(self._bases) + each.path,
                "respond_when": each.when.value,
                "include_results": self._dice.random() < 0.5,
            }
            for each in asked
        ]


def told_at(url: str) -> str:
    """The address that an answer is known by."""
    return urlsplit(url).path


def all_calls(plot: Plot) -> Iterator[Call]:
    """Those of their own, and the parts that are sent."""
    yield from plot.calls
    for conversation in plot.conversations:
        yield from conversation.sent


def _body(method: str, objects: list[dict[str, Any]], options: dict[str, Any], key: str | None = None) -> dict[str, Any]:
    numbered = [each | {"correlation_id": str(number)} for number, each in enumerate(objects, 1)]
    said: dict[str, Any] = {"method": str(method), "objects": numbered, "options": options}
    return said if key is None else said | {"key": key}


def _message(name: str) -> dict[str, Any]:
    # Without a key: made twice it would be sent twice.
    return {"type": "message", "to": _address(name), "sender": _SENDER, "subject": f"Call {name}", "text": "It has run.\n"}


def _address(name: str) -> str:
    return f"{name}@mail.example"


def _subscriber(name: str) -> dict[str, Any]:
    return {"type": "subscriber", "customer_key": name, "address": _address(f"s{name}"), "attributes": {"n": 1}}


def _step(name: str, step: Method, code: int) -> dict[str, Any]:
    """A step in the life of the subscriber of a conversation."""
    match step:
        case Method.CREATE:
            return _subscriber(name) | {"attributes": {"n": code}}
        case Method.UPDATE:
            return {"type": "subscriber", "customer_key": name, "attributes": {"n": code}}
        case _:
            return {"type": "subscriber", "customer_key": name}


def _in(time: timedelta) -> str:
    return (datetime.now(UTC) + time).isoformat()
