"""Producers of calls: each sends what it has, all mixed up, some of it twice, and again after every answer that was lost."""

import http.client
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from mailq.local.proof.calls.plots import Call, Plot, Writer, all_calls
from mailq.local.proof.through_api import Working

_SHARE_REPEATED = 0.2
_TRY_AGAIN_AFTER_S = 0.1
_ANSWER_WITHIN_S = 10.0


class Answer(NamedTuple):
    """What the API said."""

    status: int
    document: Mapping[str, Any]

    @property
    def pointers(self) -> list[str]:
        """What a problem points at."""
        return [str(error.get("pointer")) for error in self.document.get("errors", ())]


class Line:
    """A connection to the API, in the plainest way: one question, one answer, and an error where there is none."""

    def __init__(self, url: str, key: str) -> None:
        self._place = urlsplit(url).netloc
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, verb: str, path: str, body: Mapping[str, Any] | None = None) -> Answer | None:
        """An answer; None if none came, or one that says that it is to be tried again."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._place, timeout=_ANSWER_WITHIN_S)
        try:
            self._connection.request(verb, path, None if body is None else json.dumps(body), self._headers)
            response = self._connection.getresponse()
            text = response.read()
            if response.status in {429, 503}:
                return None
            return Answer(response.status, json.loads(text))
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
            return None

    def close(self) -> None:
        """Let go of it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@dataclass
class Confirmed:
    """What one producer has sent, and what it was told.

    Attributes:
        ids: the request id of each call, by its name.
        too_late: parts that were refused because their conversation is in error.
        faults: answers that must not be, in words.
    """

    plot: Plot = field(default_factory=Plot)
    ids: dict[str, str] = field(default_factory=dict)
    created: set[str] = field(default_factory=set)
    too_late: set[str] = field(default_factory=set)
    num_retries: int = 0
    num_repeated: int = 0
    faults: list[str] = field(default_factory=list)


class Producer(Working):
    """Sends calls and conversations, all mixed up."""

    def __init__(self, name: str, line: Line, bases: Sequence[str], *, seed: int, most_parts: int) -> None:
        super().__init__(name)
        self.confirmed = Confirmed()
        self._line = line
        self._dice = Random(f"{seed}/{name}")
        self._writer = Writer(name, self._dice, bases, most_parts=most_parts)

    def _run(self) -> None:
        with closing(self._line):
            while not self._ending.is_set() and not self.confirmed.faults:
                some = self._writer.some()
                self.confirmed.plot.calls += some.calls
                self.confirmed.plot.conversations += some.conversations
                self._send_all(list(all_calls(some)))

    def _send_all(self, calls: list[Call]) -> None:
        self._dice.shuffle(calls)
        for place, call in enumerate(calls):
            self._send(call)
            if self._dice.random() < _SHARE_REPEATED:
                # As one does whose own notes were lost.
                self.confirmed.num_repeated += 1
                self._send(self._dice.choice(calls[: place + 1]))

    def _send(self, call: Call) -> None:
        answer = self._asked("POST", "/v1/calls", call.body)
        if answer is not None:
            note(self.confirmed, call, answer)
        if answer is not None and call.taken_back:
            self._take_back(call)

    def _take_back(self, call: Call) -> None:
        answer = self._asked("DELETE", f"/v1/calls/{self.confirmed.ids.get(call.name)}")
        if answer is not None and (answer.status, answer.document.get("state")) != (200, "cancelled"):
            self.confirmed.faults.append(f"{call.name} is not taken back: {answer}")

    def _asked(self, verb: str, path: str, body: Mapping[str, Any] | None = None) -> Answer | None:
        while not self._given_up.is_set():
            answer = self._line.ask(verb, path, body)
            if answer is not None:
                return answer
            self.confirmed.num_retries += 1
            self._given_up.wait(_TRY_AGAIN_AFTER_S)
        return None


def note(confirmed: Confirmed, call: Call, answer: Answer) -> None:
    """Keep what was said of a call, beside what was said of it before."""
    if answer.status == 409 and "conversation_id" in call.body["options"] and answer.pointers == ["#/options/conversation_id"]:
        if call.name in confirmed.ids:
            confirmed.faults.append(f"{call.name} was {confirmed.ids[call.name]}, and is refused when it is sent again")
        confirmed.too_late.add(call.name)
        return
    if answer.status != (200 if call.synchronous else 202):
        confirmed.faults.append(f"{call.name} was refused: {answer}")
        return
    identity, created = str(answer.document["request_id"]), bool(answer.document["created"])
    known = confirmed.ids.setdefault(call.name, identity)
    if known != identity:
        confirmed.faults.append(f"{call.name} was {known}, and is {identity} when it is sent again")
    if created and call.name in confirmed.created:
        confirmed.faults.append(f"{call.name} was made twice, as {identity}")
    if created:
        confirmed.created.add(call.name)
    if call.synchronous and answer.document["state"] != call.becomes:
        confirmed.faults.append(f"{call.name} is {answer.document['state']}, and should be {call.becomes}")
