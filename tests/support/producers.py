"""Producers of every kind: each has a connection of its own, a client in its transaction, and the same few verbs for a test."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import psycopg
import psycopg2
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from mailq import AsyncClient, Client


class Producer(Protocol):
    """What a test asks of one. `client` is called as a `Client`, whatever stands behind it."""

    client: Any

    def execute(self, statement: str) -> Sequence[tuple[Any, ...]]:
        """A statement of its own in its transaction; the rows, if there are any."""

    def commit(self) -> None:
        """Commit its transaction."""

    def rollback(self) -> None:
        """Roll it back."""

    def close(self) -> None:
        """Close its connection."""


class OfDriver:
    """Has a connection of psycopg2 or psycopg 3."""

    def __init__(self, connection: Any, **client: Any) -> None:
        self.connection = connection
        self.client = Client(connection, **client)
        self.commit, self.rollback, self.close = connection.commit, connection.rollback, connection.close

    def execute(self, statement: str) -> Sequence[tuple[Any, ...]]:
        """See `Producer`."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


class OfSqlalchemy:
    """Has a `Session` or a `Connection`."""

    def __init__(self, given: Any, **client: Any) -> None:
        self.given = given
        self.client = Client(given, **client)
        self.commit, self.rollback, self.close = given.commit, given.rollback, given.close

    def execute(self, statement: str) -> Sequence[tuple[Any, ...]]:
        """See `Producer`."""
        result = self.given.execute(text(statement))
        return [tuple(row) for row in result] if result.returns_rows else []


class Awaited:
    """A value whose coroutines are run to their end, and whose asynchronous iterators are read whole."""

    def __init__(self, value: Any, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._value = value
        self._run = run

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            answer = getattr(self._value, name)(*args, **options)
            return self._run(_whole(answer) if hasattr(answer, "__aiter__") else answer)

        return call


async def _whole(answer: Any) -> list[Any]:
    return [each async for each in answer]


class Asynchronous:
    """Has something that is awaited, in an event loop of its own."""

    def __init__(self, connect: Callable[[], Coroutine[Any, Any, Any]], **client: Any) -> None:
        self.runner = asyncio.Runner()
        self.run = self.runner.run
        self.connection = self.run(connect())
        self.client: Any = Awaited(AsyncClient(self.connection, **client), self.run)

    def execute(self, statement: str) -> Sequence[tuple[Any, ...]]:
        """See `Producer`."""
        return self.run(self._execute(statement))

    def commit(self) -> None:
        """See `Producer`."""
        self.run(self.connection.commit())

    def rollback(self) -> None:
        """See `Producer`."""
        self.run(self.connection.rollback())

    def close(self) -> None:
        """See `Producer`."""
        self.run(self.connection.close())
        self.runner.close()

    async def _execute(self, statement: str) -> Sequence[tuple[Any, ...]]:
        if isinstance(self.connection, psycopg.AsyncConnection):
            cursor = await self.connection.execute(statement)
            return await cursor.fetchall() if cursor.description else []
        result = await self.connection.execute(text(statement))
        return [tuple(row) for row in result] if result.returns_rows else []


def _engine(url: str, driver: str) -> Any:
    return create_engine(url.replace("postgresql://", f"postgresql+{driver}://"), poolclass=NullPool)


def _async_engine(url: str, driver: str) -> Any:
    return create_async_engine(url.replace("postgresql://", f"postgresql+{driver}://"), poolclass=NullPool)


async def _async_session(url: str, driver: str) -> AsyncSession:
    return AsyncSession(_async_engine(url, driver))


async def _async_connection(url: str, driver: str) -> AsyncConnection:
    return await _async_engine(url, driver).connect()


WAITING: dict[str, Callable[..., Producer]] = {
    "psycopg2": lambda url, **client: OfDriver(psycopg2.connect(url), **client),
    "psycopg": lambda url, **client: OfDriver(psycopg.connect(url), **client),
    "session-psycopg2": lambda url, **client: OfSqlalchemy(Session(_engine(url, "psycopg2")), **client),
    "session-psycopg": lambda url, **client: OfSqlalchemy(Session(_engine(url, "psycopg")), **client),
    "connection-psycopg2": lambda url, **client: OfSqlalchemy(_engine(url, "psycopg2").connect(), **client),
}
"""Those whose transaction is joined, and who wait for every answer."""

AWAITING: dict[str, Callable[..., Producer]] = {
    "async-session-asyncpg": lambda url, **client: Asynchronous(lambda: _async_session(url, "asyncpg"), **client),
    "async-session-psycopg": lambda url, **client: Asynchronous(lambda: _async_session(url, "psycopg"), **client),
    "async-connection-asyncpg": lambda url, **client: Asynchronous(lambda: _async_connection(url, "asyncpg"), **client),
    "async-psycopg": lambda url, **client: Asynchronous(lambda: psycopg.AsyncConnection.connect(url), **client),
}
"""Those whose event loop goes on meanwhile."""

KINDS = WAITING | AWAITING


@contextmanager
def producing(kind: str, url: str, **client: Any) -> Iterator[Producer]:
    """A producer of a kind, until the end."""
    producer = KINDS[kind](url, **client)
    try:
        yield producer
    finally:
        producer.close()


@contextmanager
def own_connection(url: str, *, asynchronous: bool, **client: Any) -> Iterator[Any]:
    """A client with connections of its own, called as a `Client`."""
    if not asynchronous:
        with Client(url, **client) as opened:
            yield opened
        return
    with asyncio.Runner() as runner:
        awaited = Awaited(AsyncClient(url, **client), runner.run)
        yield awaited
        awaited.close()
