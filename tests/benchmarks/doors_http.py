"""The HTTP door: single messages a second, and recipients a second by uploads; API, PostgreSQL and client on the same machine."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

from mailq.admin import keys
from mailq.engine import drafting
from mailq.engine.producer import MailingOrder
from mailq.store import organizations
from tests.benchmarks.ground import OwnStack, own_stack
from tests.benchmarks.processes import cpu_s, peak_rss_mb
from tests.benchmarks.recipients import CONTENTS

MESSAGES, RECIPIENTS = 10_000, 300_000
CONNECTIONS = 16
"""Requests under way at once."""
UPLOAD = 50_000
"""Recipients of one upload."""

_WARM_UP = 500


@dataclass(frozen=True)
class Api:
    """An API process that is being measured."""

    own: OwnStack
    process: "subprocess.Popen[str]"
    port: str
    key: str

    def ask(self, *words: object, connections: int = CONNECTIONS) -> dict[str, Any]:
        """What the client found, and what API and PostgreSQL spent on it."""
        before = self._spent()
        client = [sys.executable, "-m", "tests.benchmarks.http_client", "127.0.0.1", self.port, self.key, str(connections)]
        done = subprocess.run([*client, *map(str, words)], check=True, stdout=subprocess.PIPE)
        found: dict[str, Any] = json.loads(done.stdout)
        after = self._spent()
        return found | {"api_cpu_s": after[0] - before[0], "postgres_cpu_s": after[1] - before[1]}

    def ask_at(self, rate_per_s: float, number: int, prefix: str, *, connections: int = CONNECTIONS) -> dict[str, Any]:
        """What answers took to calls that come at a pace."""
        words = [sys.executable, "-m", "tests.benchmarks.paced_client", "127.0.0.1", self.port, self.key]
        words += [str(connections), str(number), prefix, str(rate_per_s)]
        found: dict[str, Any] = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout)
        return found

    def mailing(self) -> str:
        """A mailing that waits for recipients."""
        with self.own.database.begin() as tx:
            order = MailingOrder("Benchmark", CONTENTS["plain"])
            return drafting.create(tx, organizations.id_of(tx, "default"), order)[0].public_id

    def _spent(self) -> tuple[float, float]:
        return cpu_s([self.process.pid]), self.own.postgres_cpu_s()


def measure(own: OwnStack, *, messages: int = MESSAGES, recipients: int = RECIPIENTS) -> dict[str, Any]:
    """Both rates."""
    with served(own) as api:
        api.ask("messages", _WARM_UP, connections=CONNECTIONS)
        own.database.engine.dispose()
        with own.database.begin() as tx:
            tx.exec_driver_sql("TRUNCATE inbox")
        single = api.ask("messages", messages)
        bulk = api.ask("uploads", recipients, UPLOAD, f"/v1/mailings/{api.mailing()}/recipients", connections=2)
        peak = peak_rss_mb(api.process.pid)
    return {
        "http_messages": _figures(single, messages, "messages", {"202"}),
        "http_recipients": _figures(bulk, recipients, "recipients", {"200"}),
        "rss_mb": {"api": round(peak, 1)},
    }


@contextmanager
def served(own: OwnStack) -> Iterator[Api]:
    """An API with one process, and a key that may ask as often as it likes."""
    key = keys.create(own.database, "default", "benchmark", ["admin"], rate_per_s=1_000_000).key
    words = [sys.executable, "-m", "mailq", "api", "--port", "0"]
    environment = own.running.environment() | {"MAILQ_LOG_LEVEL": "WARNING"}
    with subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            found = re.search(r"http://127\.0\.0\.1:(\d+)", process.stderr.readline())
            if found is None:
                raise RuntimeError("the API did not start")
            yield Api(own, process, found[1], key)
        finally:
            process.terminate()


def _figures(found: dict[str, Any], number: int, what: str, good: set[str]) -> dict[str, Any]:
    if set(found["statuses"]) != good:
        raise RuntimeError(f"the API answered {found['statuses']}")
    per = number / 1e6
    return {
        f"{what}_per_s": round(number / found["seconds"], 1),
        what: number,
        "median_ms": round(found["median_ms"], 2),
        "p99_ms": round(found["p99_ms"], 2),
        "api_cpu_us": round(found["api_cpu_s"] / per, 1),
        "postgres_cpu_us": round(found["postgres_cpu_s"] / per, 1),
        "client_cpu_us": round(found["cpu_s"] / per, 1),
    }


@click.command()
@click.option("--messages", type=click.IntRange(1), default=MESSAGES, show_default=True)
@click.option("--recipients", type=click.IntRange(1), default=RECIPIENTS, show_default=True)
def main(*, messages: int, recipients: int) -> None:
    """Measure the HTTP door alone."""
    with own_stack() as own:
        print(json.dumps(measure(own, messages=messages, recipients=recipients), indent=2))


if __name__ == "__main__":
    main()
