"""Mails per second from the first claim to balanced books, and what each process spends per mail."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from mailq import bootstrap
from mailq.core.mailing import Books, State
from mailq.local.stack import Running
from mailq.local.supervisor import Child
from mailq.settings import Settings
from mailq.store import mailings
from mailq.store.database import Database
from tests.benchmarks.processes import cpu_s, peak_rss_mb, workers_of
from tests.benchmarks.smtp_sinks import BenchSink

PROCESSES = 2
SESSIONS = 50
"""Of each process, as many as a relay allows one client by default."""
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


def run(stack: Running, settings: Settings, database: Database, mailing: str, sink: BenchSink) -> EndToEnd:
    """Send a scheduled mailing with a fresh worker server of two processes."""
    server = _start_server(stack, database, sink)
    parts = {"main": [server.pid], "postgres": [_pid(stack, "postgres")], "redis": [_pid(stack, "redis")], "sink": [sink.pid]}
    before = {name: cpu_s(pids) for name, pids in parts.items()}
    children = workers_of(server.pid)
    children_before = cpu_s(children)
    mailing_id = _release(settings, database, mailing)
    books, seconds = _until_finished(stack, database, mailing_id)
    spent = {name: cpu_s(pids) - before[name] for name, pids in parts.items()}
    workers = cpu_s(children) - children_before
    spent = {"workers": workers, "main and warden": spent.pop("main") - workers, **spent}
    rss = max(peak_rss_mb(pid) for pid in children)
    stack.stop(server)
    mails = books.num_sent
    return EndToEnd(mails, seconds, {name: value / mails * 1e6 for name, value in spent.items()}, rss, books)


def _start_server(stack: Running, database: Database, sink: BenchSink) -> Child:
    words = ["-m", "celery", "-A", "workers", "worker", "-Q", "mailq.bulk", "-c", str(PROCESSES), "-n", "bench@%h"]
    argv = [sys.executable, *words, "--without-mingle", "--without-gossip"]
    chosen = {"MAILQ_RELAY_URL": sink.url, "MAILQ_LOG_LEVEL": "WARNING", "MAILQ_RELAY__SESSIONS": str(SESSIONS)}
    server = stack.supervise(argv, "bench-worker", chosen)
    server.wait_until(lambda: len(workers_of(server.pid)) == PROCESSES and _is_alive(database), within=60)
    return server


def _is_alive(database: Database) -> bool:
    with database.begin() as tx:
        return bool(
            tx.exec_driver_sql("SELECT count(*) FROM server WHERE state = 'alive' AND renewed_at > started_at").scalar_one()
        )


def _release(settings: Settings, database: Database, reference: str) -> int:
    with database.begin() as tx:
        mailing_id = mailings.find(tx, reference).id
        mailings.step(tx, mailing_id, State.RUNNING)
    bootstrap.dispatcher(settings, database).ring_all()
    return mailing_id


def _until_finished(stack: Running, database: Database, mailing_id: int) -> tuple[Books, float]:
    deadline = time.monotonic() + _DEADLINE_S
    while time.monotonic() < deadline:
        stack.check()
        time.sleep(0.1)
        with database.begin() as tx:
            found = mailings.get(tx, mailing_id)
            if found.state is State.FINISHED:
                return mailings.books(tx, mailing_id), _seconds(tx, mailing_id)
    raise TimeoutError("the benchmark mailing did not finish")


def _seconds(tx: Connection, mailing_id: int) -> float:
    statement = "SELECT extract(epoch FROM max(finished_at) - min(first_claimed_at)) FROM batch WHERE mailing_id = %s"
    return float(tx.exec_driver_sql(statement, (mailing_id,)).scalar_one())


def _pid(stack: Running, name: str) -> int:
    return next(child.pid for child in stack.supervisor.children if child.name == name)
