"""mailq for the life of an app: there from its start, closed at its end."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI

from mailq.client import AsyncClient, Client
from mailq.contrib.kept import Entrance


class Mailq:
    """The door of one app; nothing is connected before the first call.

    Attributes:
        client: for `async def` endpoints.
        sync: for `def` endpoints, which FastAPI runs in threads.
    """

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance
        self.client = AsyncClient(entrance.url, organization=entrance.organization, schema=entrance.schema, key=entrance.key)
        self.sync = entrance.connect()

    def within(self, session: Any) -> AsyncClient:
        """A client in the transaction of an `AsyncSession` or `AsyncConnection` of SQLAlchemy, or of psycopg's `AsyncConnection`.

        What it takes is sent if and when that transaction commits. It needs no closing.
        """
        return AsyncClient(session, organization=self._entrance.organization, schema=self._entrance.schema)

    def within_sync(self, session: Any) -> Client:
        """The same for a `Session`, a `Connection`, or a connection of psycopg."""
        return Client(session, organization=self._entrance.organization, schema=self._entrance.schema)

    async def close(self) -> None:
        """Close what was made."""
        self.sync.close()
        await self.client.close()


@asynccontextmanager
async def connect(
    app: FastAPI, url: str, *, key: str | None = None, organization: str = "default", schema: str | None = None
) -> AsyncIterator[Mailq]:
    """Give an app its door, within a lifespan of its own: `async with connect(app, url): yield`.

    Args:
        url: `postgresql://…` or `https://…`.
        key, organization, schema: as for `Client`.
    """
    mailq = app.state.mailq = Mailq(Entrance(url, key, organization, schema))
    try:
        yield mailq
    finally:
        await mailq.close()


class MailqLifespan:
    """The lifespan of an app that has no other: `FastAPI(lifespan=MailqLifespan(url))`."""

    def __init__(self, url: str, *, key: str | None = None, organization: str = "default", schema: str | None = None) -> None:
        self._options: Mapping[str, Any] = {"url": url, "key": key, "organization": organization, "schema": schema}

    def __call__(self, app: FastAPI) -> AbstractAsyncContextManager[None]:
        """What FastAPI calls at the start."""
        return self._live(app)

    @asynccontextmanager
    async def _live(self, app: FastAPI) -> AsyncIterator[None]:
        async with connect(app, **self._options):
            yield
