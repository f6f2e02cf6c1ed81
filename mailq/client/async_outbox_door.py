"""The door into an outbox for asynchronous producers: `OutboxDoor`, awaited."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from typing import Any

from mailq.client.call_values import Call, CallAccepted, CallResult, CallState, ConversationState
from mailq.client.doors import GivenRecipient
from mailq.client.outbox_door import OutboxDoor, refuse
from mailq.client.values import Accepted, Delivery, Email, Mailing, Message, Progress, ReadyMailing, Submitted
from mailq.store.outbox_writing import awaited, in_greenlet


class AsyncOutboxDoor:
    """mailq behind an outbox, over an `AsyncSession` or an `AsyncConnection`. Everything is as `OutboxDoor` says."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def submit(self, mailing: Mailing, recipients: Iterable[GivenRecipient] | AsyncIterable[GivenRecipient]) -> Submitted:
        """See `OutboxDoor`."""
        return await in_greenlet(self._connection, lambda own: OutboxDoor(own).submit(mailing, awaited(recipients)))

    async def submit_emails(self, mailing: ReadyMailing, emails: Iterable[Email]) -> Submitted:
        """See `OutboxDoor`."""
        return await in_greenlet(self._connection, lambda own: OutboxDoor(own).submit_emails(mailing, emails))

    async def send(self, messages: Sequence[Message | Email]) -> list[Accepted]:
        """See `OutboxDoor`."""
        return await in_greenlet(self._connection, lambda own: OutboxDoor(own).send(messages))

    async def call(self, call: Call) -> CallAccepted:
        """See `OutboxDoor`."""
        return await in_greenlet(self._connection, lambda own: OutboxDoor(own).call(call))

    async def call_state(self, request_id: str) -> CallState:
        """Ask mailq."""
        refuse()

    async def call_results(self, request_id: str) -> list[CallResult]:
        """Ask mailq."""
        refuse()

    async def cancel_call(self, request_id: str) -> CallState:
        """Ask mailq."""
        refuse()

    async def conversation(self, conversation_id: str) -> ConversationState:
        """Ask mailq."""
        refuse()

    def conversation_results(self, conversation_id: str) -> AsyncIterator[CallResult]:
        """Ask mailq."""
        refuse()

    async def pause(self, reference: str) -> Progress:
        """Ask mailq."""
        refuse()

    async def resume(self, reference: str) -> Progress:
        """Ask mailq."""
        refuse()

    async def cancel(self, reference: str) -> Progress:
        """Ask mailq."""
        refuse()

    async def progress(self, reference: str) -> Progress:
        """Ask mailq."""
        refuse()

    def deliveries(self, reference: str, state: str | None = None) -> AsyncIterator[Delivery]:
        """Ask mailq."""
        refuse()

    async def history(self, address: str) -> list[Delivery]:
        """Ask mailq."""
        refuse()

    async def message(self, message_id: str) -> Delivery:
        """Ask mailq."""
        refuse()

    async def close(self) -> None:
        """The connection is the producer's."""
