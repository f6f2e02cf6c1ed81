"""The client of asynchronous producers. Everything is as `Client` says; only what differs is told here."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from datetime import datetime
from email.message import EmailMessage
from os import PathLike
from typing import Any, Self

from mailq.client import calls, emails, opening
from mailq.client.call_values import Call, CallAccepted, CallResult, CallState, ConversationState
from mailq.client.doors import AsyncDoor, GivenRecipient
from mailq.client.values import (
    Accepted,
    Delivery,
    DoubtPolicy,
    Drained,
    Email,
    Lane,
    Mailing,
    Message,
    Progress,
    ReadyMailing,
    Submitted,
)


class AsyncClient:
    """The producer's door to mailq, for asynchronous code: `Client`, awaited."""

    def __init__(
        self,
        door: Any,
        *,
        organization: str = "default",
        schema: str | None = None,
        key: str | None = None,
        spool: str | PathLike[str] | None = None,
    ) -> None:
        """Nothing is connected yet.

        Args:
            door: a URL as for `Client`, or what has a transaction: an `AsyncSession` or `AsyncConnection` of SQLAlchemy (with any
                driver of PostgreSQL), or psycopg's `AsyncConnection`.
            organization, schema, key, spool: as for `Client`.
        """
        self._spooling = None if spool is None else opening.async_spooling(door, spool, key=key)
        self._door: AsyncDoor = self._spooling or opening.async_door(door, organization=organization, schema=schema, key=key)

    async def submit(self, mailing: Mailing, recipients: Iterable[GivenRecipient] | AsyncIterable[GivenRecipient]) -> Submitted:
        """Make a mailing with all its recipients. They may come from a generator: a million of them need no memory.

        Recipients who are no addresses are counted and skipped with a reason. With a `key` that is known, the same content and
        recipients are the same mailing.
        """
        return await self._door.submit(mailing, recipients)

    async def submit_emails(
        self,
        messages: Iterable[EmailMessage | Email],
        *,
        name: str,
        key: str | None = None,
        lane: Lane = "normal",
        doubt_policy: DoubtPolicy = "hold",
        scheduled_at: datetime | None = None,
        expires_at: datetime | None = None,
    ) -> Submitted:
        """Make one mailing of messages that are ready; each goes to everybody it is addressed to."""
        mailing = ReadyMailing(name, key, lane, doubt_policy, scheduled_at, expires_at)
        return await self._door.submit_emails(mailing, emails.each_addressed(messages))

    async def send(self, message: Message) -> Accepted:
        """Send one message to one recipient, now."""
        return (await self._door.send(emails.require_messages([message])))[0]

    async def send_all(self, messages: Sequence[Message | Email]) -> list[Accepted]:
        """Send several messages, all of them or none; the answers in their order."""
        return await self._door.send(emails.require_messages(messages)) if messages else []

    async def send_email(
        self,
        message: EmailMessage,
        *,
        to: str | Sequence[str] | None = None,
        sender: str | None = None,
        key: str | None = None,
        lane: Lane = "transactional",
        doubt_policy: DoubtPolicy = "hold",
    ) -> list[Accepted]:
        """Send a message that is ready, with attachments and whatever else it has: now, and to each recipient on his own.

        Args:
            to: who gets it; else To, Cc and Bcc say it. Nobody sees the Bcc.
            sender: the envelope sender; else Sender or From says it.
            key: with several recipients each has his own, made of it and his place.
        """
        return await self.send_all(emails.addressed(message, to=to, sender=sender, key=key, lane=lane, doubt_policy=doubt_policy))

    async def call(self, call: Call) -> CallAccepted:
        """Hand over a call: it is taken at once and run soon, once. A synchronous one is run first, and answered with its results."""
        return await self._door.call(calls.require_call(call))

    async def call_state(self, request_id: str) -> CallState:
        """How a call stands."""
        return await self._door.call_state(request_id)

    async def call_results(self, request_id: str) -> list[CallResult]:
        """What became of the objects of a call, in their order; none as long as it has not run."""
        return await self._door.call_results(request_id)

    async def cancel_call(self, request_id: str) -> CallState:
        """Take back a call that has not run."""
        return await self._door.cancel_call(request_id)

    async def conversation(self, conversation_id: str) -> ConversationState:
        """How a conversation stands."""
        return await self._door.conversation(conversation_id)

    def conversation_results(self, conversation_id: str) -> AsyncIterator[CallResult]:
        """The results of all parts of a conversation that have run, in sequence. Read as you go on."""
        return self._door.conversation_results(conversation_id)

    async def drain(self) -> Drained:
        """Hand over what the spool holds, in its order: everything once, however often this is killed or begun again."""
        return await opening.required(self._spooling).drain()

    async def pause(self, reference: str) -> Progress:
        """Stop sending a mailing for now. Like all that takes a `reference`, by its id or its key."""
        return await self._door.pause(reference)

    async def resume(self, reference: str) -> Progress:
        """Go on with a paused mailing."""
        return await self._door.resume(reference)

    async def cancel(self, reference: str) -> Progress:
        """End a mailing for good: what has not begun is skipped."""
        return await self._door.cancel(reference)

    async def progress(self, reference: str) -> Progress:
        """How far a mailing is."""
        return await self._door.progress(reference)

    def deliveries(self, reference: str, state: str | None = None) -> AsyncIterator[Delivery]:
        """What became of every recipient of a mailing, in their order; of those in one state, if it is named. Read as you go on."""
        return self._door.deliveries(reference, state)

    async def history(self, address: str) -> list[Delivery]:
        """Every mail an address got or did not get, the newest first."""
        return await self._door.history(address)

    async def message(self, message_id: str) -> Delivery:
        """What became of a single message."""
        return await self._door.message(message_id)

    async def close(self) -> None:
        """Close the connections the client has made itself."""
        await self._door.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()
