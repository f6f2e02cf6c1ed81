"""Live progress: one look a second at each mailing that somebody watches, told to all who watch it."""

import asyncio
import json
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from mailq import telemetry
from mailq.errors import MailqError, NotFound
from mailq.web.api.problems import Problem, failed, of_error

log = telemetry.logger(__name__)

EVERY_S = 1.0
PING_S = 15.0

Document = dict[str, Any]
Look = Callable[[], Awaitable["Seen"]]
Admit = Callable[[], Awaitable[None]]
"""Raises a Problem if a listener may not listen any more."""


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
    broken: Problem | None = None

    @property
    def over(self) -> bool:
        return self.seen.ended or self.broken is not None

    @property
    def end(self) -> bytes:
        return _error(self.broken) if self.broken else format_sse_event(event="end", data_str="{}")

    def tell(self, seen: Seen) -> None:
        if seen.id != self.seen.id or seen.ended:
            self.seen = seen
            self._wake()

    def fail(self, problem: Problem) -> None:
        self.broken = problem
        self._wake()

    def _wake(self) -> None:
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

    async def events(self, mailing: str, first: Seen, look: Look, admit: Admit, *, last_id: str | None) -> AsyncGenerator[bytes]:
        """What a listener is told: how the mailing stands unless it knows, each change, and a ping where nothing changes.

        Ends with the mailing, when the server stops, or with an error: where the listener's key is good no more, the mailing is
        gone, or we are at fault.
        """
        clock = asyncio.get_running_loop().time
        watch = self._join(mailing, first, look)
        try:
            told, spoke_at = last_id, clock()
            while not self._stopping.is_set():
                seen, changed = watch.seen, watch.changed
                if seen.id != told:
                    yield seen.event()
                    told, spoke_at = seen.id, clock()
                if watch.over:
                    yield watch.end
                    return
                if not await self._happens(changed) and clock() - spoke_at >= self._ping_s:
                    yield KEEPALIVE_COMMENT
                    spoke_at = clock()
                if (refused := await _refusal(admit)) is not None:
                    yield _error(refused)
                    return
        finally:
            self._leave(mailing, watch)

    async def _happens(self, changed: asyncio.Event) -> bool:
        """Wait for a change or the stop; False if it is time to look whether the listener may go on."""
        waits = [asyncio.ensure_future(changed.wait()), asyncio.ensure_future(self._stopping.wait())]
        try:
            done, _ = await asyncio.wait(waits, timeout=self._every_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
        return bool(done)

    def _join(self, mailing: str, first: Seen, look: Look) -> _Watch:
        watch = self._watches.get(mailing)
        if watch is None or watch.over:  # a mailing that had ended may be sent again
            watch = self._watches[mailing] = _Watch(first)
            watch.task = asyncio.create_task(self._keep_looking(watch, look), name=f"watch {mailing}")
        watch.num_listeners += 1
        return watch

    def _leave(self, mailing: str, watch: _Watch) -> None:
        watch.num_listeners -= 1
        if not watch.num_listeners:
            if self._watches.get(mailing) is watch:
                del self._watches[mailing]
            if watch.task is not None:
                watch.task.cancel()

    async def _keep_looking(self, watch: _Watch, look: Look) -> None:
        while not watch.over:
            await asyncio.sleep(self._every_s)
            try:
                watch.tell(await look())
            except NotFound as error:
                watch.fail(of_error(error))
            except MailqError as error:  # told again when it is back
                log.warning("watching.blind", reason=str(error))
            except Exception:
                log.exception("watching.failed")
                watch.fail(failed())


async def _refusal(admit: Admit) -> Problem | None:
    try:
        await admit()
    except Problem as problem:
        return problem
    except MailqError as error:  # nobody knows; asked again soon
        log.warning("watching.unsure", reason=str(error))
    return None


def _error(problem: Problem) -> bytes:
    return format_sse_event(event="error", data_str=problem.body().decode())
