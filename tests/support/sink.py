"""The mail sink in a thread of the test's process: what it accepted is at hand, and its rules change at once."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from mailq.local.sink.books import Accepted, Books
from mailq.local.sink.rules import parse_all
from mailq.local.sink.server import Manners, Sink

_WITHIN = 10.0


class SinkThread:
    """A running sink.

    Attributes:
        port: stays the same over `stop` and `start`.
    """

    host = "127.0.0.1"

    def __init__(self, books: Books | None = None, manners: Manners | None = None) -> None:
        self._books = books or Books(keep=True)
        self._manners = manners or Manners()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sink", daemon=True)
        self._thread.start()
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        """Where it listens, as a relay_url."""
        return f"smtp://{self.host}:{self.port}"

    @property
    def accepted(self) -> list[Accepted]:
        """Everything accepted so far, one entry per message and recipient, with the content."""
        return list(self._books.messages)

    @property
    def accepted_recipients(self) -> list[str]:
        """The recipients alone, in the order of acceptance."""
        return [message.recipient for message in self.accepted]

    def rules(self, *lines: str) -> None:
        """Put these rules in force instead of those before; see `mailq.local.sink.rules`."""
        rules = parse_all(lines)
        self._call(lambda: self._sink.rules.replace(rules))

    def drop_connections(self) -> None:
        """End every session at once, as a relay that restarts does."""
        self._call(self._sink.drop_connections)

    def start(self) -> None:
        """Listen (again)."""
        self._sink = Sink(self._books, self._manners)
        self.port = self._run(self._sink.start(self.host, self.port))

    def stop(self) -> None:
        """Stop listening and end every session; what was accepted is kept."""
        self._run(self._sink.stop())

    def close(self) -> None:
        """Stop, for good."""
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_WITHIN)
        self._loop.close()

    def _call(self, action: Callable[[], object]) -> None:
        async def act() -> None:
            action()

        self._run(act())

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_WITHIN)
