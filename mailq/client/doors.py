"""The doors: each carries what a client is asked to the books, and what it is told back. All of them understand the same.

A client chooses its door by what it is given (`mailq.client.opening`). A call does all that it says, or raises an error of
`mailq.errors` and leaves nothing behind.
"""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from mailq.client.call_values import Call, CallAccepted, CallResult, CallState, ConversationState
from mailq.client.values import Accepted, Delivery, Email, Mailing, Message, Progress, ReadyMailing, Recipient, Submitted

GivenRecipient = Recipient | str | Mapping[str, Any]
"""A recipient as producers may write one: a value, a bare address, or a mapping of `address` and, where there are any, `variables`."""


class Door(Protocol):
    """What `Client` hands on. References are public ids, or keys of mailings."""

    def submit(self, mailing: Mailing, recipients: Iterable[GivenRecipient]) -> Submitted:
        """Make a mailing with all its recipients, which are iterated once and never held all at once."""

    def submit_emails(self, mailing: ReadyMailing, emails: Iterable[Email]) -> Submitted:
        """Make a mailing of messages that are ready, one for each recipient."""

    def send(self, messages: Sequence[Message | Email]) -> list[Accepted]:
        """Take single messages, all of them or none; the answers in their order."""

    def call(self, call: Call) -> CallAccepted:
        """Take a call, to be run soon; one that is synchronous is run first."""

    def call_state(self, request_id: str) -> CallState:
        """How a call stands."""

    def call_results(self, request_id: str) -> list[CallResult]:
        """What became of the objects of a call, in their order; none as long as it has not run."""

    def cancel_call(self, request_id: str) -> CallState:
        """Take back a call that has not run, and is no part of a conversation."""

    def conversation(self, conversation_id: str) -> ConversationState:
        """How a conversation stands."""

    def conversation_results(self, conversation_id: str) -> Iterator[CallResult]:
        """The results of all parts of a conversation that have run, in sequence. Read page by page."""

    def pause(self, reference: str) -> Progress:
        """Stop sending a mailing for now."""

    def resume(self, reference: str) -> Progress:
        """Go on with a paused mailing."""

    def cancel(self, reference: str) -> Progress:
        """End a mailing for good."""

    def progress(self, reference: str) -> Progress:
        """How far a mailing is."""

    def deliveries(self, reference: str, state: str | None = None) -> Iterator[Delivery]:
        """What became of every recipient of a mailing, by seq; of those in one state, if it is named. Read page by page."""

    def history(self, address: str) -> list[Delivery]:
        """Every mail an address got or did not get, the newest first."""

    def message(self, message_id: str) -> Delivery:
        """What became of a single message."""

    def close(self) -> None:
        """Let go of what the door itself has opened; never of what it was given."""


class AsyncDoor(Protocol):
    """What `AsyncClient` hands on: the same, awaited. Recipients may come from an asynchronous iterable as well."""

    async def submit(self, mailing: Mailing, recipients: Iterable[GivenRecipient] | AsyncIterable[GivenRecipient]) -> Submitted:
        """See `Door.submit`."""

    async def submit_emails(self, mailing: ReadyMailing, emails: Iterable[Email]) -> Submitted:
        """See `Door.submit_emails`."""

    async def send(self, messages: Sequence[Message | Email]) -> list[Accepted]:
        """See `Door.send`."""

    async def call(self, call: Call) -> CallAccepted:
        """See `Door.call`."""

    async def call_state(self, request_id: str) -> CallState:
        """See `Door.call_state`."""

    async def call_results(self, request_id: str) -> list[CallResult]:
        """See `Door.call_results`."""

    async def cancel_call(self, request_id: str) -> CallState:
        """See `Door.cancel_call`."""

    async def conversation(self, conversation_id: str) -> ConversationState:
        """See `Door.conversation`."""

    def conversation_results(self, conversation_id: str) -> AsyncIterator[CallResult]:
        """See `Door.conversation_results`."""

    async def pause(self, reference: str) -> Progress:
        """See `Door.pause`."""

    async def resume(self, reference: str) -> Progress:
        """See `Door.resume`."""

    async def cancel(self, reference: str) -> Progress:
        """See `Door.cancel`."""

    async def progress(self, reference: str) -> Progress:
        """See `Door.progress`."""

    def deliveries(self, reference: str, state: str | None = None) -> AsyncIterator[Delivery]:
        """See `Door.deliveries`."""

    async def history(self, address: str) -> list[Delivery]:
        """See `Door.history`."""

    async def message(self, message_id: str) -> Delivery:
        """See `Door.message`."""

    async def close(self) -> None:
        """See `Door.close`."""
