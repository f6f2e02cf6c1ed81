"""A worker process's hands without the process: the executor in the test's own thread, wired as bootstrap wires it."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text

from mailq import bootstrap
from mailq.core.batch import Owner
from mailq.engine.dispatcher import Dispatcher
from mailq.engine.executor import Executor, Memory
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
class Standing:
    """What a signboard would show: whom to claim as, and whether the lease holds. A test changes it."""

    owner: Owner
    lease_holds: bool = True


@dataclass
class Hands:
    """An executor and its standing, for one database and relay; its journals are in `settings.home`."""

    database: Database
    executor: Executor
    standing: Standing
    doorbell: QuietDoorbell
    settings: Settings

    @property
    def owner(self) -> Owner:
        """Whom it claims as."""
        return self.standing.owner

    @property
    def journals(self) -> list[Path]:
        """The journals in its home."""
        return sorted((self.settings.home / "journal").glob("*.journal"))

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
    memory: Memory | None = None,
    name: str = "web1:8851",
    home: Path | None = None,
    **changes: object,
) -> Iterator[Hands]:
    """Start a server's only worker process; `changes` are settings of the relay, as `dot_timeout=…`."""
    with tempfile.TemporaryDirectory(prefix="mailq-home-") as temporary:
        settings = _settings(home or Path(temporary), relay_url, changes)
        with database.begin() as tx:
            owner = make_owner(tx, name, pid=os.getpid())
        standing, doorbell = Standing(owner), QuietDoorbell()
        executor = bootstrap.executor(
            settings,
            database,
            owner=lambda: standing.owner,
            may_send=lambda incarnation: standing.lease_holds and incarnation == standing.owner.incarnation,
            stopping=stopping,
            dispatcher=Dispatcher(database, doorbell),
            memory=memory,
            wire=wire,
        )
        try:
            yield Hands(database, executor, standing, doorbell, settings)
        finally:
            executor.close()


def _settings(home: Path, relay_url: str, changes: dict[str, object]) -> Settings:
    batch = {"work_for": changes.pop("work_for", timedelta(minutes=5))}
    relay = {"sessions": 4, "rest": timedelta(milliseconds=1), "max_rest": timedelta(milliseconds=2), **changes}
    retry = {"first": timedelta(milliseconds=1), "longest": timedelta(milliseconds=1), "max_attempts": 3}
    return Settings(home=home, relay_url=relay_url, relay=relay, retry=retry, batch=batch)
