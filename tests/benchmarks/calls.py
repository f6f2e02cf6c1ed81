"""Calls: how many a second are accepted over HTTP and how soon they are answered, with workers and without; how many a second are run;
and how long a long conversation takes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from mailq.admin import maintenance
from mailq.store.database import Database
from tests.benchmarks import smtp_sinks
from tests.benchmarks.doors_http import Api, served
from tests.benchmarks.ground import Ground, OwnStack, Sizes, own_stack
from tests.benchmarks.processes import workers_of
from tests.support.waiting import eventually

PACE_PER_S = 250
"""Half of what is asked for: how soon calls are answered is asked there."""

_WARM_UP = 300
_PROCESSES = 2
_ACTOR = "benchmark"
_WITHIN_S = 300
_UNDONE = "SELECT count(*) FROM call WHERE ended_at IS NULL"
_UNSENT = """
SELECT (SELECT count(*) FROM inbox WHERE mailing_id IS NULL) + (SELECT count(*) FROM batch WHERE state IN ('ready', 'leased', 'waiting'))
"""


def measure(ground: Ground) -> dict[str, Any]:
    """All of it, on a stack whose Redis may be stopped."""
    sizes = ground.sizes
    with own_stack() as own, smtp_sinks.discarding(own.running, ground.tools) as sink, served(own) as api:
        with _worker(own, sink.url):
            _accepted(api, "warm", _WARM_UP)
            _settle(own.database)
            up = _accepted(api, "up", sizes.calls)
            _settle(own.database)
            maintenance.on(own.database, actor=_ACTOR, why="a measurement")
            still = _accepted(api, "still", sizes.calls)
            run = _run(own.database)
            _settle(own.database)
            conversation = _conversation(own, api, sizes)
            _settle(own.database)
        own.running.stop(next(child for child in own.running.supervisor.children if child.name == "redis"))
        down = _accepted(api, "down", sizes.calls)
    accepted = {"up": up, "maintenance": still, "down": down}
    return {"calls": {"accepted": accepted, "run": run, "conversation": conversation}}


def _accepted(api: Api, name: str, number: int) -> dict[str, Any]:
    """As many as there may be at once, and then at the pace."""
    found = api.ask("calls", number, name)
    paced = api.ask_at(PACE_PER_S, number, f"{name}-paced")
    for each in (found, paced):
        if set(each["statuses"]) != {"202"}:
            raise RuntimeError(f"the API answered {each['statuses']}")
    per = number / 1e6
    return {
        "calls": number,
        "calls_per_s": round(number / found["seconds"], 1),
        "api_cpu_us": round(found["api_cpu_s"] / per, 1),
        "postgres_cpu_us": round(found["postgres_cpu_s"] / per, 1),
        "client_cpu_us": round(found["cpu_s"] / per, 1),
        "median_ms": round(paced["median_ms"], 2),
        "p99_ms": round(paced["p99_ms"], 2),
    }


def _run(database: Database) -> dict[str, Any]:
    """End the maintenance, and see all calls to their end that wait; their messages are sent meanwhile."""
    number = _number(database, _UNDONE)
    began = datetime.now(UTC)
    maintenance.off(database, actor=_ACTOR)
    eventually(lambda: not _number(database, _UNDONE), _WITHIN_S, every_s=0.1)
    with database.begin() as tx:
        ended = tx.exec_driver_sql("SELECT max(ended_at) FROM call").scalar_one()
    return {"calls": number, "calls_per_s": round(number / (ended - began).total_seconds(), 1)}


def _conversation(own: OwnStack, api: Api, sizes: Sizes) -> dict[str, Any]:
    """Send the parts in an order of chance; from the first one to the end of the last one that ran."""
    found = api.ask("conversation", sizes.parts, "benchmark")
    if set(found["statuses"]) != {"202"}:
        raise RuntimeError(f"the API answered {found['statuses']}")
    statement = "SELECT extract(epoch FROM ended_at), state FROM conversation WHERE ended_at IS NOT NULL"
    ended_at, state = eventually(lambda: _row(own.database, statement), _WITHIN_S, every_s=0.05)
    if state != "finished":
        raise RuntimeError(f"the conversation is {state}")
    return {
        "parts": sizes.parts,
        "seconds": round(float(ended_at) - found["began_at"], 2),
        "sending_seconds": round(found["seconds"], 2),
    }


def _settle(database: Database) -> None:
    """Until nothing is under way."""
    eventually(lambda: not _number(database, _UNDONE) and not _number(database, _UNSENT), _WITHIN_S, every_s=0.1)


def _number(database: Database, statement: str) -> int:
    with database.begin() as tx:
        return int(tx.exec_driver_sql(statement).scalar_one())


def _row(database: Database, statement: str) -> Any:
    with database.begin() as tx:
        return tx.exec_driver_sql(statement).one_or_none()


@contextmanager
def _worker(own: OwnStack, relay_url: str) -> Iterator[None]:
    """A worker server that runs calls, and sends their messages."""
    words = ["-m", "celery", "-A", "workers", "worker", "-Q", "mailq.transactional", "-c", str(_PROCESSES), "-n", "bench@%h"]
    argv = [sys.executable, *words, "--without-mingle", "--without-gossip"]
    child = own.running.supervise(argv, "bench-worker", {"MAILQ_RELAY_URL": relay_url, "MAILQ_LOG_LEVEL": "WARNING"})
    leads = "SELECT count(*) FROM leader"
    try:
        child.wait_until(lambda: len(workers_of(child.pid)) == _PROCESSES and bool(_number(own.database, leads)), within=60)
        yield
    finally:
        own.running.stop(child)
