"""Mails per second from the first claim to balanced books, and what each process spends per mail."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection

from mailq import bootstrap
from mailq.core.mailing import Books, State
from mailq.store import mailings
from tests.benchmarks.ground import Ground
from tests.benchmarks.processes import cpu_s, own_cpu_s, peak_rss_mb, workers_of

PROCESSES = 2
SESSIONS = 50
"""Of each process, as many as a relay allows one client by default."""
SHARED = ("postgres", "redis")
"""What all servers of an installation share."""
_DEADLINE_S = 600


@dataclass(frozen=True)
class EndToEnd:
    """What a run showed. `cpu_us_per_mail` is by process, in microseconds."""

    mails: int
    seconds: float
    cpu_us_per_mail: Mapping[str, float]
    worker_rss_mb: float
    books: Books

    @property
    def mails_per_s(self) -> float:
        """The rate on the wall clock."""
        return self.mails / self.seconds

    @property
    def ours_us(self) -> float:
        """CPU per mail of everything but the sink: our processes, PostgreSQL and Redis."""
        return sum(value for name, value in self.cpu_us_per_mail.items() if name != "sink")

    @property
    def shared_percent(self) -> float:
        """The share that all servers of an installation have in common."""
        return 100 * sum(self.cpu_us_per_mail[name] for name in SHARED) / self.ours_us

    @property
    def celery_percent(self) -> float:
        """The share of Celery's main process and of Redis."""
        return 100 * sum(self.cpu_us_per_mail[name] for name in ("main", "redis")) / self.ours_us


@dataclass(frozen=True)
class WorkerServer:
    """A worker server of two processes, which sends one mailing after another."""

    ground: Ground
    pid: int
    sink_pid: int

    def send(self, reference: str) -> EndToEnd:
        """Start a mailing that waits, and see it to its end.

        Raises:
            RuntimeError: not everybody in it was sent a mail.
            TimeoutError: it did not finish.
        """
        before = self._spent_s()
        _release(self.ground, reference)
        finished = self.ground.until_finished(reference, within_s=_DEADLINE_S)
        spent = {name: value - before[name] for name, value in self._spent_s().items()}
        with self.ground.database.begin() as tx:
            books, seconds = mailings.books(tx, finished.id), _seconds(tx, finished.id)
        if not books.balanced or books.num_sent + books.num_skipped != books.num_profiles:
            raise RuntimeError(f"not everybody was sent a mail: {books}")
        per_mail = {name: value / books.num_sent * 1e6 for name, value in spent.items()}
        rss = max(peak_rss_mb(pid) for pid in workers_of(self.pid))
        return EndToEnd(books.num_sent, seconds, per_mail, rss, books)

    def _spent_s(self) -> dict[str, float]:
        workers, main = cpu_s(workers_of(self.pid)), own_cpu_s(self.pid)
        rest = cpu_s([self.pid]) - workers - main
        shared = {name: cpu_s([self.ground.pid(name)]) for name in SHARED}
        return {"workers": workers, "main": main, "warden": rest, **shared, "sink": cpu_s([self.sink_pid])}


@contextmanager
def worker_server(ground: Ground, url: str, sink_pid: int) -> Iterator[WorkerServer]:
    """A worker server that sends to this relay."""
    words = ["-m", "celery", "-A", "workers", "worker", "-Q", "mailq.bulk", "-c", str(PROCESSES), "-n", "bench@%h"]
    argv = [sys.executable, *words, "--without-mingle", "--without-gossip"]
    chosen = {"MAILQ_RELAY_URL": url, "MAILQ_LOG_LEVEL": "WARNING", "MAILQ_RELAY__SESSIONS": str(SESSIONS)}
    child = ground.running.supervise(argv, "bench-worker", chosen)
    try:
        child.wait_until(lambda: len(workers_of(child.pid)) == PROCESSES and _is_alive(ground), within=60)
        yield WorkerServer(ground, child.pid, sink_pid)
    finally:
        ground.running.stop(child)


def _is_alive(ground: Ground) -> bool:
    with ground.database.begin() as tx:
        return bool(
            tx.exec_driver_sql("SELECT count(*) FROM server WHERE state = 'alive' AND renewed_at > started_at").scalar_one()
        )


def _release(ground: Ground, reference: str) -> None:
    with ground.database.begin() as tx:
        mailings.step(tx, mailings.find(tx, reference).id, State.RUNNING)
    bootstrap.dispatcher(ground.settings, ground.database).ring_all()


def _seconds(tx: Connection, mailing_id: int) -> float:
    statement = "SELECT extract(epoch FROM max(finished_at) - min(first_claimed_at)) FROM batch WHERE mailing_id = %s"
    return float(tx.exec_driver_sql(statement, (mailing_id,)).scalar_one())
