"""Gathers what arrives at nearly the same time into one transaction: a commit costs as much for a hundred messages as for one.

One thread writes. While it commits, the next messages gather; each is answered after its own commit, and never before.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import Connection

from mailq import telemetry
from mailq.engine import messages
from mailq.engine.messages import MessageOrder, Taken
from mailq.errors import Conflict, MailqError, Unavailable
from mailq.store.database import Database, KeptConnection

log = telemetry.logger(__name__)

COMPANY_S = 0.003
"""How long the first message waits for others, when others came lately: a producer alone shall not wait for nobody."""
MOST_AT_ONCE = 500
MOST_WAITING = 10_000

_RESTED_S = 1.0
Answer = Taken | Exception


@dataclass(slots=True)
class _Waiting:
    organization_id: int
    order: MessageOrder
    answer: "asyncio.Future[Taken]"


class Gatherer:
    """Accepts messages, many at a time. Made and used on one event loop."""

    def __init__(self, database: Database) -> None:
        self._connection = KeptConnection(database, rested_s=_RESTED_S)
        self._waiting: list[_Waiting] = []
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "messages")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._write_all(), name="messages")

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

    async def accept(self, organization_id: int, order: MessageOrder) -> Taken:
        """Accept a message; returns when it is committed.

        Raises:
            Conflict: its key belongs to another message.
            Unavailable: the database went away, or too many wait for it already.
        """
        if len(self._waiting) >= MOST_WAITING:
            raise Unavailable(f"{MOST_WAITING:,} messages wait for the database already")
        waiting = _Waiting(organization_id, order, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._arrived.set()
        return await waiting.answer

    async def _write_all(self) -> None:
        loop = asyncio.get_running_loop()
        in_company = False
        while True:
            await self._arrived.wait()
            await asyncio.sleep(COMPANY_S if in_company else 0)
            batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
            in_company = len(batch) > 1
            if not self._waiting:
                self._arrived.clear()
            # An organization's messages side by side, in the order they came.
            batch.sort(key=lambda each: each.organization_id)
            answers = await loop.run_in_executor(self._thread, self._write, batch)
            for each, answer in zip(batch, answers, strict=True):
                _tell(each.answer, answer)

    def _write(self, batch: Sequence[_Waiting]) -> list[Answer]:
        """Write messages in one transaction; if that fails for a reason of its own, one by one, so that none fails for another."""
        try:
            with self._connection.begin() as tx:
                return _accept(tx, batch)
        except Unavailable as error:
            return [error] * len(batch)
        except Exception as error:
            if len(batch) == 1:
                if not isinstance(error, MailqError):
                    log.exception("messages.not_written")
                return [error]
        return [answer for each in batch for answer in self._write([each])]


def _accept(tx: Connection, batch: Sequence[_Waiting]) -> list[Answer]:
    answers: list[Taken | Conflict] = []
    for organization_id, some in groupby(batch, key=lambda each: each.organization_id):
        answers += messages.accept(tx, organization_id, [each.order for each in some])
    return list(answers)


def _tell(future: "asyncio.Future[Taken]", answer: Answer) -> None:
    if future.done():  # whoever waited is gone
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
