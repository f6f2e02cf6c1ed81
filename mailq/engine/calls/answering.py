"""Makes the answers that calls and conversations have asked for: webhooks to be posted, and e-mails as messages of our own."""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection

from mailq.core.call import TOLD, Event, ResponseType, State
from mailq.core.conversation import State as ConversationState
from mailq.core.ids import public_id
from mailq.engine import messages
from mailq.engine.calls import payloads
from mailq.engine.calls.letters import letter
from mailq.engine.calls.order import Response, response_from
from mailq.engine.calls.responses import EndedCall, EndedConversation
from mailq.engine.message_orders import MessageOrder
from mailq.errors import BadInput, Conflict
from mailq.store import call_results, calls, notifications
from mailq.store.notifications import Entry

MOST_OF_A_CONVERSATION = 100
"""Addresses that are told of one conversation; each part may name others."""

_PAGE = 500
_OF_CALL: Mapping[State, Event] = {
    State.FINISHED: Event.CALL_FINISHED,
    State.ERROR: Event.CALL_ERROR,
    State.NOT_RUN: Event.CALL_NOT_RUN,
    State.CANCELLED: Event.CALL_CANCELLED,
}
_OF_CONVERSATION: Mapping[str, Event] = {
    ConversationState.FINISHED: Event.CONVERSATION_FINISHED,
    ConversationState.ERROR: Event.CONVERSATION_ERROR,
}
_Results = Callable[[Response], Iterator[Mapping[str, Any]]]


@dataclass
class _Told:
    """What is told at one time, and to whom.

    Attributes:
        results: as one response wants them.
        bodies: what was made already; many want the same.
    """

    organization_id: int
    call_id: int | None
    conversation_id: int | None
    at: datetime
    data: Mapping[str, Any]
    results: _Results
    bodies: dict[tuple[object, ...], str] = field(default_factory=dict)

    def body(self, event: Event, response: Response) -> str:
        """What this response is told."""
        is_mail = response.response_type is ResponseType.EMAIL
        kind = (event, is_mail, response.include_results, response.include_objects, response.only_include_base)
        if kind not in self.bodies:
            wanted = self.results(response) if response.include_results else None
            most = payloads.MOST_MAILED_BYTES if is_mail else payloads.MOST_POSTED_BYTES
            self.bodies[kind] = payloads.payload(event, self.at, self.data, wanted, most_bytes=most)
        return self.bodies[kind]


class Answering:
    """See `Respond`.

    Args:
        sender: the From header of answers by e-mail; without it they are in error.
    """

    def __init__(self, sender: str | None) -> None:
        self._sender = sender

    def call(self, tx: Connection, ended: EndedCall) -> None:
        """A call has ended; outside of any conversation it was one of one part."""
        events = [_OF_CALL[ended.state]]
        if ended.conversation_id is None and ended.state in _OF_CONVERSATION:
            events.append(_OF_CONVERSATION[ended.state])
        if chosen := _chosen(ended.responses, events):
            told = _Told(
                ended.organization_id,
                ended.call_id,
                None,
                ended.ended_at,
                payloads.of_call(ended),
                lambda one: _results(ended, one),
            )
            self._make(tx, told, chosen)

    def conversation(self, tx: Connection, ended: EndedConversation) -> None:
        """A conversation has ended."""
        responses = [response_from(each) for some in notifications.wanted(tx, ended.row) for each in some]
        if chosen := _chosen(responses, [_OF_CONVERSATION[ended.state]]):
            data = payloads.of_conversation(ended)
            told = _Told(
                ended.organization_id, None, ended.row, ended.ended_at, data, lambda one: _results_of_all(tx, ended.row, one)
            )
            self._make(tx, told, chosen)

    def _make(self, tx: Connection, told: _Told, chosen: Sequence[tuple[Event, Response]]) -> None:
        entries, mails = list[Entry](), list[tuple[Entry, MessageOrder]]()
        for place, (event, response) in enumerate(chosen):
            entry = _entry(told, event, response)
            if place >= MOST_OF_A_CONVERSATION:
                entries.append(_refused(told, entry, f"one of more than {MOST_OF_A_CONVERSATION} addresses that want to be told"))
            elif response.response_type is ResponseType.HTTP_POST:
                entries.append(replace(entry, payload=told.body(event, response)))
            else:
                made = self._letter(told, entry, response)
                entries.append(_refused(told, entry, made)) if isinstance(made, str) else mails.append((entry, made))
        taken = messages.accept(tx, told.organization_id, [order for _, order in mails])
        entries += [_mailed(told, entry, one) for (entry, _), one in zip(mails, taken, strict=True)]
        notifications.add(tx, entries)

    def _letter(self, told: _Told, entry: Entry, response: Response) -> MessageOrder | str:
        """The mail of an answer, or why there is none."""
        if self._sender is None:
            return "nobody to be from: MAILQ_CALLS__RESPONSE_SENDER is not set where calls are run"
        attached = told.body(entry.event, response) if response.include_results else None
        try:
            return letter(self._sender, entry.address, entry.event, told.data, attached, key=entry.public_id)
        except BadInput as error:
            return str(error)


def _chosen(responses: Sequence[Response], events: Sequence[Event]) -> list[tuple[Event, Response]]:
    """Which answers are wanted now, each address told once of each event."""
    found: dict[tuple[Event, str | None], Response] = {}
    for event in events:
        for each in responses:
            if each.response_type is not ResponseType.NONE and event in TOLD[each.respond_when]:
                found.setdefault((event, each.response_address), each)
    return [(event, response) for (event, _), response in found.items()]


def _entry(told: _Told, event: Event, response: Response) -> Entry:
    address = str(response.response_address)
    is_mail = response.response_type is ResponseType.EMAIL
    host = address.rpartition("@")[2] if is_mail else (urlsplit(address).hostname or "")
    return Entry(
        public_id=public_id("ntf", secrets.token_bytes(10)),
        organization_id=told.organization_id,
        call_id=told.call_id,
        conversation_id=told.conversation_id,
        event=event,
        address=address,
        host=host,
    )


def _refused(told: _Told, entry: Entry, why: str) -> Entry:
    """An answer that nobody gets, and what it would have told."""
    thin = payloads.payload(entry.event, told.at, told.data, None, most_bytes=payloads.MOST_POSTED_BYTES)
    return replace(entry, payload=thin, reply=why)


def _mailed(told: _Told, entry: Entry, taken: messages.Taken | Conflict) -> Entry:
    if isinstance(taken, Conflict):
        return _refused(told, entry, str(taken))
    return replace(entry, message_id=taken.public_id)


def _results(ended: EndedCall, response: Response) -> Iterator[Mapping[str, Any]]:
    for result in ended.results:
        yield payloads.told(result, ended.objects[result.ordinal - 1], response)


def _results_of_all(tx: Connection, conversation_id: int, response: Response) -> Iterator[Mapping[str, Any]]:
    """The results of a conversation in sequence, as many as somebody asks for."""
    after, call_id = (0, 0), 0
    objects: Sequence[Mapping[str, Any]] = ()
    while page := call_results.of_conversation(tx, conversation_id, limit=_PAGE, after=after):
        for one in page:
            if response.include_objects and one.call_id != call_id:
                call_id, objects = one.call_id, calls.objects(tx, one.call_id)
            place = {"request_id": one.request_id, "sequence_code": one.sequence_code}
            given = objects[one.result.ordinal - 1] if response.include_objects else None
            yield place | payloads.told(one.result, given, response)
        after = (page[-1].sequence_code or 0, page[-1].result.ordinal)
