"""Gathers what arrives at nearly the same time into one transaction: a commit costs as much for a hundred orders as for one.

One thread writes. While it commits, the next orders gather; each is answered after its own commit, and never before. What is written
is handed in: messages and calls share the transaction, and know nothing of each other.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection

from mailq import telemetry
from mailq.errors import MailqError, Unavailable
from mailq.store.database import Database, KeptConnection

log = telemetry.logger(__name__)

COMPANY_S = 0.003
"""How long the first order waits for others in a crowd: there it is made good, because larger transactions leave time for more orders.
Else it would only be answered later: while one transaction commits, the next one gathers by itself.
"""
CROWD_PER_S = 350
MOST_AT_ONCE = 500
MOST_WAITING = 10_000

_RESTED_S = 1.0
_WINDOW_S = 0.25
Order = TypeVar("Order")
Taken = TypeVar("Taken")
Write = Callable[[Connection, int, Sequence[Order]], Sequence[Taken | MailqError]]
"""Writes orders of one organization; an answer for each, in their order. What it refuses is an answer too, and spoils nothing else."""


@dataclass(slots=True)
class _Waiting:
    """An order that is not written yet.

    Attributes:
        rank: of what writes it.
    """

    rank: int
    organization_id: int
    order: Any
    answer: "asyncio.Future[Any]"


class Gathered(Generic[Order, Taken]):
    """Accepts orders of one kind, together with those of others. Made by a gatherer."""

    def __init__(self, gatherer: "Gatherer", rank: int) -> None:
        self._gatherer = gatherer
        self._rank = rank

    async def accept(self, organization_id: int, order: Order) -> Taken:
        """Accept an order; returns when it is committed.

        Raises:
            MailqError: as what writes it has refused it.
            Unavailable: the database went away, or too many wait for it already.
        """
        found: Taken = await self._gatherer.put(self._rank, organization_id, order)
        return found


class Gatherer:
    """Writes orders, many at a time. Made and used on one event loop."""

    def __init__(self, database: Database) -> None:
        self._connection = KeptConnection(database, rested_s=_RESTED_S)
        self._writes: list[Write[Any, Any]] = []
        self._waiting: list[_Waiting] = []
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "gatherer")
        self._task: asyncio.Task[None] | None = None

    def of(self, write: Write[Order, Taken]) -> Gathered[Order, Taken]:
        """What accepts orders that are written like this. What was asked for first is written first, so that all processes lock in the
        same order.
        """
        self._writes.append(write)
        return Gathered(self, len(self._writes) - 1)

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._write_all(), name="gatherer")

    async def stop(self) -> None:
        """Write what waits, and end."""
        if self._task is not None:
            self._arrived.set()
            while self._waiting and not self._task.done():
                await asyncio.wait([each.answer for each in self._waiting])
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._thread.shutdown()
        self._connection.close()

    async def put(self, rank: int, organization_id: int, order: object) -> Any:
        """See `Gathered.accept`."""
        if len(self._waiting) >= MOST_WAITING:
            raise Unavailable(f"{MOST_WAITING:,} orders wait for the database already")
        waiting = _Waiting(rank, organization_id, order, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._arrived.set()
        return await waiting.answer

    async def _write_all(self) -> None:
        loop, crowd = asyncio.get_running_loop(), _Crowd()
        while True:
            await self._arrived.wait()
            await asyncio.sleep(COMPANY_S if crowd.is_there else 0)
            batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
            crowd.note(len(batch), loop.time())
            if not self._waiting:
                self._arrived.clear()
            # What belongs together side by side, in the order it came.
            batch.sort(key=_belongs_to)
            answers = await loop.run_in_executor(self._thread, self._write, batch)
            for each, answer in zip(batch, answers, strict=True):
                _tell(each.answer, answer)

    def _write(self, batch: Sequence[_Waiting]) -> list[Any]:
        """Write orders in one transaction; if that fails for a reason of its own, one by one, so that none fails for another."""
        try:
            with self._connection.begin() as tx:
                return self._written(tx, batch)
        except Unavailable as error:
            return [error] * len(batch)
        except Exception as error:
            if len(batch) == 1:
                if not isinstance(error, MailqError):
                    log.exception("orders.not_written")
                return [error]
        return [answer for each in batch for answer in self._write([each])]

    def _written(self, tx: Connection, batch: Sequence[_Waiting]) -> list[Any]:
        answers: list[Any] = []
        for (rank, organization_id), some in groupby(batch, key=_belongs_to):
            answers += self._writes[rank](tx, organization_id, [each.order for each in some])
        return answers


class _Crowd:
    """Whether many orders came lately, counted by the quarter of a second."""

    def __init__(self) -> None:
        self.is_there = False
        self._num = 0
        self._since = 0.0

    def note(self, num: int, now: float) -> None:
        """So many have come."""
        self._num += num
        if now >= self._since + _WINDOW_S:
            self.is_there = self._num > CROWD_PER_S * (now - self._since)
            self._num, self._since = 0, now


def _belongs_to(waiting: _Waiting) -> tuple[int, int]:
    return waiting.rank, waiting.organization_id


def _tell(future: "asyncio.Future[Any]", answer: object) -> None:
    if future.done():  # whoever waited is gone
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
