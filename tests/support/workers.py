"""A worker process's hands without the process: the executor in the test's own thread, wired as bootstrap wires it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import text

from mailq import bootstrap
from mailq.core.batch import Owner
from mailq.engine.dispatcher import Dispatcher
from mailq.engine.executor import Executor
from mailq.engine.ports import Ring, Wire
from mailq.settings import Settings
from mailq.store.database import Database
from tests.support.mailings import make_owner


@dataclass
class QuietDoorbell:
    """A doorbell that remembers what was rung."""

    rung: list[Ring] = field(default_factory=list)
    life: str = "first"

    def ring(self, rings: "list[Ring]") -> None:
        self.rung += rings

    def generation(self) -> str:
        return self.life


@dataclass
class Hands:
    """An executor and its owner, for one database and relay."""

    database: Database
    executor: Executor
    owner: Owner
    doorbell: QuietDoorbell

    def work_until_idle(self) -> list[str]:
        """Work every batch that is ready, again and again, until none is."""
        said = []
        while ready := self._ready():
            said += [self.executor.work(batch_id) for batch_id in ready]
        return said

    def _ready(self) -> list[int]:
        with self.database.begin() as tx:
            return list(tx.execute(text("SELECT id FROM batch WHERE state = 'ready' ORDER BY id")).scalars())


@contextmanager
def hands(
    database: Database,
    relay_url: str,
    *,
    stopping: Callable[[], bool] = lambda: False,
    wire: Wire | None = None,
    name: str = "web1:8851",
    **changes: object,
) -> Iterator[Hands]:
    """Start a server's only worker process; `changes` are settings of the relay, as `dot_timeout=…`."""
    batch = {"work_for": changes.pop("work_for", timedelta(minutes=5))}
    relay = {"sessions": 4, "rest": timedelta(milliseconds=1), "max_rest": timedelta(milliseconds=2), **changes}
    retry = {"first": timedelta(milliseconds=1), "longest": timedelta(milliseconds=1), "max_attempts": 3}
    settings = Settings(relay_url=relay_url, relay=relay, retry=retry, batch=batch)
    with database.begin() as tx:
        owner = make_owner(tx, name, pid=os.getpid())
    doorbell = QuietDoorbell()
    executor = bootstrap.executor(
        settings, database, owner=owner, stopping=stopping, dispatcher=Dispatcher(database, doorbell), wire=wire
    )
    try:
        yield Hands(database, executor, owner, doorbell)
    finally:
        executor.close()
