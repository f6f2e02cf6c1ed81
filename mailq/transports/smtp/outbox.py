"""What the sessions of an event loop say in one turn of it leaves together, when all that came has been heard."""

import asyncio
from typing import Protocol


class Writer(Protocol):
    """A connection that is written to."""

    def write(self, data: bytes | memoryview) -> None:
        """Hand bytes to the system, unless the connection is gone."""


class Outbox:
    """Gathers small writes: between two of them a relay on the same machine would take the processor to read the first, and a
    letter would cost a change of processes."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._posted: list[tuple[Writer, bytes | memoryview]] = []

    def post(self, writer: Writer, data: bytes | memoryview) -> None:
        """Write this at the end of the turn, behind what was posted before."""
        if not self._posted:
            self._loop.call_soon(self.deliver)
        self._posted.append((writer, data))

    def deliver(self) -> None:
        """Write everything that was posted."""
        posted, self._posted = self._posted, []
        for place, (writer, data) in enumerate(posted, start=1):
            try:
                writer.write(data)
            except BaseException:
                # A connection that fails is no reason for the others to wait.
                self._posted = posted[place:] + self._posted
                self._loop.call_soon(self.deliver)
                raise
