"""The door over PostgreSQL for asynchronous producers: the synchronous one, where it does not hold up the event loop."""

import asyncio
import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from mailq.client import postgres_calls
from mailq.client.call_values import Call, CallAccepted, CallResult, CallState, ConversationState
from mailq.client.doors import GivenRecipient
from mailq.client.postgres import PostgresDoor
from mailq.client.values import Accepted, Delivery, Email, Mailing, Message, Progress, ReadyMailing, Submitted
from mailq.store.database import Transactions
from mailq.store.joined import JoinedAsync, iterated, some_of

_T = TypeVar("_T")

_left: ContextVar[threading.Event] = ContextVar("_left")
"""Set when whoever awaits a call was cancelled: its thread cannot be, and would commit what nobody waits for."""


class Runs(Protocol):
    """Where synchronous work is done."""

    async def run(self, work: Callable[[PostgresDoor], _T]) -> _T:
        """Do it."""

    def iterated(self, source: Iterable[_T] | AsyncIterable[_T]) -> Iterable[_T]:
        """What a producer makes one by one, for such work."""

    async def close(self) -> None:
        """Let go of what was opened."""


class WhileAwaited:
    """Transactions that are undone where nobody waits for them any more. For `InThreads`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """See `Transactions`."""
        with self._transactions.begin() as tx:
            yield tx
            if _left.get().is_set():
                raise asyncio.CancelledError


class InThreads:
    """In threads, over connections of our own, which are `WhileAwaited`."""

    def __init__(self, door: PostgresDoor) -> None:
        self._door = door
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self, work: Callable[[PostgresDoor], _T]) -> _T:
        """See `Runs`."""
        self._loop = asyncio.get_running_loop()
        left = threading.Event()
        _left.set(left)  # the thread runs in a copy of this context
        try:
            return await asyncio.to_thread(work, self._door)
        except asyncio.CancelledError:
            left.set()
            raise

    def iterated(self, source: Iterable[_T] | AsyncIterable[_T]) -> Iterable[_T]:
        """See `Runs`. Ends with an error, and the transaction with it, where nobody waits any more."""
        left = _left.get()
        for each in self._awaited(source) if isinstance(source, AsyncIterable) else source:
            if left.is_set():
                raise asyncio.CancelledError
            yield each

    def _awaited(self, source: AsyncIterable[_T]) -> Iterator[_T]:
        iterator = aiter(source)
        loop = self._loop
        assert loop is not None
        while some := asyncio.run_coroutine_threadsafe(some_of(iterator), loop).result():
            yield from some

    async def close(self) -> None:
        """See `Runs`."""
        await asyncio.to_thread(self._door.close)


class InTheirTransaction:
    """In the producer's transaction: what waits for the database lets the event loop go on."""

    def __init__(self, joined: JoinedAsync, organization: str) -> None:
        self._joined = joined
        self._organization = organization

    async def run(self, work: Callable[[PostgresDoor], _T]) -> _T:
        """See `Runs`."""
        return await self._joined.run(lambda transactions: work(PostgresDoor(transactions, self._organization)))

    def iterated(self, source: Iterable[_T] | AsyncIterable[_T]) -> Iterable[_T]:
        """See `Runs`."""
        return iterated(source) if isinstance(source, AsyncIterable) else source

    async def close(self) -> None:
        """See `Runs`."""


class AsyncPostgresDoor:
    """See `AsyncDoor`."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    async def submit(self, mailing: Mailing, recipients: Iterable[GivenRecipient] | AsyncIterable[GivenRecipient]) -> Submitted:
        """See `Door`."""
        return await self._runs.run(lambda door: door.submit(mailing, self._runs.iterated(recipients)))

    async def submit_emails(self, mailing: ReadyMailing, emails: Iterable[Email]) -> Submitted:
        """See `Door`."""
        return await self._runs.run(lambda door: door.submit_emails(mailing, self._runs.iterated(emails)))

    async def send(self, messages: Sequence[Message | Email]) -> list[Accepted]:
        """See `Door`."""
        return await self._runs.run(lambda door: door.send(messages))

    async def call(self, call: Call) -> CallAccepted:
        """See `Door`."""
        return await self._runs.run(lambda door: door.call(call))

    async def call_state(self, request_id: str) -> CallState:
        """See `Door`."""
        return await self._runs.run(lambda door: door.call_state(request_id))

    async def call_results(self, request_id: str) -> list[CallResult]:
        """See `Door`."""
        return await self._runs.run(lambda door: door.call_results(request_id))

    async def cancel_call(self, request_id: str) -> CallState:
        """See `Door`."""
        return await self._runs.run(lambda door: door.cancel_call(request_id))

    async def conversation(self, conversation_id: str) -> ConversationState:
        """See `Door`."""
        return await self._runs.run(lambda door: door.conversation(conversation_id))

    async def conversation_results(self, conversation_id: str) -> AsyncIterator[CallResult]:
        """See `Door`."""
        after = (0, 0)
        while page := await self._results_page(conversation_id, after):
            for result in page:
                yield result
            after = postgres_calls.place(page[-1])

    async def pause(self, reference: str) -> Progress:
        """See `Door`."""
        return await self._runs.run(lambda door: door.pause(reference))

    async def resume(self, reference: str) -> Progress:
        """See `Door`."""
        return await self._runs.run(lambda door: door.resume(reference))

    async def cancel(self, reference: str) -> Progress:
        """See `Door`."""
        return await self._runs.run(lambda door: door.cancel(reference))

    async def progress(self, reference: str) -> Progress:
        """See `Door`."""
        return await self._runs.run(lambda door: door.progress(reference))

    async def deliveries(self, reference: str, state: str | None = None) -> AsyncIterator[Delivery]:
        """See `Door`."""
        after = 0
        while page := await self._page(reference, state, after):
            for delivery in page:
                yield delivery
            after = page[-1].seq or 0

    async def history(self, address: str) -> list[Delivery]:
        """See `Door`."""
        return await self._runs.run(lambda door: door.history(address))

    async def message(self, message_id: str) -> Delivery:
        """See `Door`."""
        return await self._runs.run(lambda door: door.message(message_id))

    async def close(self) -> None:
        """See `Door`."""
        await self._runs.close()

    async def _page(self, reference: str, state: str | None, after: int) -> list[Delivery]:
        return await self._runs.run(lambda door: door.page(reference, state, after=after))

    async def _results_page(self, conversation_id: str, after: tuple[int, int]) -> list[CallResult]:
        return await self._runs.run(lambda door: door.results_page(conversation_id, after=after))
