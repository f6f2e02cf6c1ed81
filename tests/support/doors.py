"""Every door to mailq behind one front: a test says what a producer does, and asks what mailq knows of it."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from mailq import AsyncClient, Client, Outbox
from mailq.admin import keys
from mailq.client import opening
from mailq.client.carrier import Carrier
from mailq.client.doors import Door
from mailq.errors import Conflict, MailqError
from mailq.settings import Settings
from mailq.store.database import Database
from mailq.store.outbox_database import OutboxDatabase
from mailq.store.tables import metadata
from tests.support.api import ApiThread, serving_api
from tests.support.blocking import Blocking
from tests.support.producers import own_connection, producing

JOINED = ("psycopg2", "session-psycopg", "async-session-asyncpg")
KINDS = ("own", "own-async", *JOINED, "http", "http-async", "outbox", "outbox-http")


_KEPT = {"schema_revision", "organization", "installation", "api_key"}


class Ground:
    """What doors lead to, for one test after the other: a database, and the HTTP API when the first door asks for it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.database = Database(url, application="tests")
        self._opened = ExitStack()

    @cached_property
    def key(self) -> str:
        """An API key that may do everything a producer can."""
        return keys.create(self.database, "default", "test", ["send", "read"]).key

    @cached_property
    def api(self) -> ApiThread:
        """The HTTP API."""
        return self._opened.enter_context(serving_api(Settings(database_url=self.url)))

    def clear(self) -> None:
        """Nobody has ever come in."""
        with self.database.begin() as tx:
            for table in reversed(metadata.sorted_tables):
                if table.name not in _KEPT:
                    tx.execute(table.delete())

    def close(self) -> None:
        """Close what was opened."""
        self._opened.close()
        self.database.close()


class DoorUnderTest:
    """A door that commits by itself, or whose producer commits.

    Attributes:
        client: what the producer calls, as a `Client`.
        asking: by whom mailq is asked; of an outbox another one.
    """

    def __init__(self, client: Any, *, commit: Callable[[], None] | None = None, asking: Any = None) -> None:
        self.client = client
        self.asking = asking or client
        self._commit = commit

    def do(self, call: Callable[[Any], Any]) -> Any:
        """Let the producer do something and commit it; mailq has it then."""
        answer = call(self.client)
        self.arrive()
        return answer

    def arrive(self) -> None:
        """What must happen until mailq has what the producer has said."""
        if self._commit is not None:
            self._commit()

    def refusal(self, call: Callable[[Any], Any]) -> MailqError:
        """The error with which mailq refuses something."""
        with pytest.raises(MailqError) as told:
            self.do(call)
        return told.value

    def mailing_of(self, submitted: Any) -> str:
        """By what mailq knows a mailing."""
        return str(submitted.id)

    def message_of(self, accepted: Any) -> str:
        """By what mailq knows a message."""
        return str(accepted.id)

    def call_of(self, accepted: Any) -> str:
        """By what mailq knows the call that was accepted last."""
        return str(accepted.request_id)


class OutboxUnderTest(DoorUnderTest):
    """An outbox, which is carried to another door when its producer has committed."""

    def __init__(self, path: Path, door: Door, asking: Any) -> None:
        self.database = OutboxDatabase(f"sqlite:///{path}/shop.db")
        self.database.create()
        self.connection = sqlite3.connect(path / "shop.db")
        self._door = door
        self._told: list[str] = []
        super().__init__(Client(Outbox(self.connection)), asking=asking)

    def arrive(self) -> None:
        """Commit and carry; what mailq refuses only now is raised as the producer's own error would have been."""
        self.connection.commit()
        Carrier(self.database, self._door, now=lambda: datetime.now(UTC), told=lambda _, why: self._told.append(why)).carry()
        if self._told:
            raise Conflict(self._told.pop())

    def mailing_of(self, submitted: Any) -> str:
        """What the outbox has noted."""
        return self._result(submitted.id)

    def message_of(self, accepted: Any) -> str:
        """What the outbox has noted."""
        return self._result(accepted.id)

    def call_of(self, accepted: Any) -> str:
        """What the outbox has noted; the producer has been told nothing."""
        assert accepted.request_id is None
        last = "SELECT result FROM mailq_outbox WHERE kind = 'call' AND state = 'done' ORDER BY id DESC LIMIT 1"
        return str(self.connection.execute(last).fetchone()[0])

    def _result(self, handle: str) -> str:
        found = self.connection.execute("SELECT result FROM mailq_outbox WHERE handle = ? AND state = 'done'", (handle,))
        return str(found.fetchone()[0])

    def close(self) -> None:
        """Close what was opened."""
        self.connection.close()
        self.database.close()


@contextmanager
def door(kind: str, ground: Ground, path: Path) -> Iterator[DoorUnderTest]:
    """A door of a kind, for the length of a block; an outbox is kept under the path."""
    with ExitStack() as opened:
        if kind in {"own", "own-async"}:
            yield DoorUnderTest(opened.enter_context(own_connection(ground.url, asynchronous=kind == "own-async")))
        elif kind in JOINED:
            producer = opened.enter_context(producing(kind, ground.url))
            yield DoorUnderTest(producer.client, commit=producer.commit)
        elif kind == "http":
            yield DoorUnderTest(opened.enter_context(Client(ground.api.url, key=ground.key)))
        elif kind == "http-async":
            client = Blocking(lambda: AsyncClient(ground.api.url, key=ground.key))
            opened.callback(client.close)
            yield DoorUnderTest(client)
        else:
            yield _outbox(opened, ground, path, over_http=kind == "outbox-http")


def _outbox(opened: ExitStack, ground: Ground, path: Path, *, over_http: bool) -> OutboxUnderTest:
    where, key = (ground.api.url, ground.key) if over_http else (ground.url, None)
    door = opening.door(where, organization="default", schema=None, key=key)
    opened.callback(door.close)
    asking = opened.enter_context(Client(ground.url))
    made = OutboxUnderTest(path, door, asking)
    opened.callback(made.close)
    return made
