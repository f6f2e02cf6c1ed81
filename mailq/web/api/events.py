"""Live progress: one look a second at each mailing that somebody watches, told to all who watch it."""

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from mailq import telemetry
from mailq.errors import MailqError

log = telemetry.logger(__name__)

EVERY_S = 1.0
PING_S = 15.0

Document = dict[str, Any]
Look = Callable[[], Awaitable["Seen"]]


@dataclass(frozen=True, slots=True)
class Seen:
    """How a mailing was found; `id` changes whenever something about it does."""

    document: Document
    ended: bool
    id: str

    @classmethod
    def of(cls, document: Document, *, ended: bool) -> "Seen":
        """What was looked up."""
        text = json.dumps(document, sort_keys=True)
        return cls(document, ended, f"{zlib.crc32(text.encode()):08x}")

    def event(self) -> bytes:
        """As it goes to a listener."""
        return format_sse_event(event="progress", id=self.id, data_str=json.dumps(self.document, separators=(",", ":")))


@dataclass(slots=True)
class _Watch:
    """One mailing, and those who watch it."""

    seen: Seen
    num_listeners: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None

    def tell(self, seen: Seen) -> None:
        if seen.id != self.seen.id or seen.ended:
            self.seen = seen
            self.changed.set()
            self.changed = asyncio.Event()


class Watching:
    """Watches mailings for their listeners. Made and used on one event loop."""

    def __init__(self, stopping: asyncio.Event) -> None:
        self._stopping = stopping
        self._every_s = EVERY_S
        self._ping_s = PING_S
        self._watches: dict[str, _Watch] = {}

    @property
    def num_watched(self) -> int:
        """Mailings that are looked at."""
        return len(self._watches)

    async def events(self, mailing: str, first: Seen, look: Look, *, last_id: str | None) -> AsyncIterator[bytes]:
        """What a listener is told: how the mailing stands unless it knows, each change, and a ping where nothing changes.

        Ends with the mailing, or when the server stops.
        """
        watch = self._join(mailing, first, look)
        try:
            told = last_id
            while not self._stopping.is_set():
                seen, changed = watch.seen, watch.changed
                if seen.id != told:
                    yield seen.event()
                    told = seen.id
                if seen.ended:
                    yield format_sse_event(event="end", data_str="{}")
                    return
                if not await self._happens(changed):
                    yield KEEPALIVE_COMMENT
        finally:
            self._leave(mailing, watch)

    async def _happens(self, changed: asyncio.Event) -> bool:
        """Wait for a change or the stop; False if it is time for a ping."""
        waits = [asyncio.ensure_future(changed.wait()), asyncio.ensure_future(self._stopping.wait())]
        try:
            done, _ = await asyncio.wait(waits, timeout=self._ping_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
        return bool(done)

    def _join(self, mailing: str, first: Seen, look: Look) -> _Watch:
        watch = self._watches.get(mailing)
        if watch is None:
            watch = self._watches[mailing] = _Watch(first)
            watch.task = asyncio.create_task(self._keep_looking(watch, look), name=f"watch {mailing}")
        watch.num_listeners += 1
        return watch

    def _leave(self, mailing: str, watch: _Watch) -> None:
        watch.num_listeners -= 1
        if not watch.num_listeners:
            del self._watches[mailing]
            if watch.task is not None:
                watch.task.cancel()

    async def _keep_looking(self, watch: _Watch, look: Look) -> None:
        while not watch.seen.ended:
            await asyncio.sleep(self._every_s)
            try:
                watch.tell(await look())
            except MailqError as error:  # told again when it is back
                log.warning("watching.blind", reason=str(error))
