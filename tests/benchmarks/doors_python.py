"""The Python client's submit in turns with that of a file: in the producer's transaction by each driver, and over its own connection."""

import json
import subprocess
import sys
from collections.abc import Sequence
from statistics import median
from typing import Any

from tests.benchmarks.ground import Ground

KINDS: Sequence[tuple[str, str]] = (
    ("psycopg2", "list"),
    ("psycopg2", "generator"),
    ("psycopg", "list"),
    ("async-session-asyncpg", "list"),
    ("own", "generator"),
)


def measure(ground: Ground) -> dict[str, Any]:
    """Submit the same recipients by the file and by each kind of producer, in turns; rates, and each by that of the file beside it."""
    number = ground.sizes.accepted
    rounds: list[tuple[float, dict[tuple[str, str], dict[str, Any]]]] = []
    for _ in range(ground.sizes.accepted_times):
        by_file = number / ground.submit(number, flawed=True)["seconds"]
        rounds.append((by_file, {kind: submit(ground, *kind) for kind in KINDS}))
    doors = {" ".join(kind): _figures(number, [(by_file, done[kind]) for by_file, done in rounds]) for kind in KINDS}
    by_file = round(median(rate for rate, _ in rounds), 1)
    return {"doors_python": {"recipients": number, "file_recipients_per_s": by_file, "doors": doors}}


def submit(ground: Ground, kind: str, held: str) -> dict[str, Any]:
    """Submit once, in a process of its own; what `door_once` printed."""
    words = [sys.executable, "-m", "tests.benchmarks.door_once", kind, str(ground.sizes.accepted), held]
    done = subprocess.run(words, env=ground.running.environment(), check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _figures(number: int, runs: Sequence[tuple[float, dict[str, Any]]]) -> dict[str, Any]:
    rates = [number / run["seconds"] for _, run in runs]
    return {
        "recipients_per_s": round(median(rates), 1),
        "by_the_file": round(median(rate / by_file for rate, (by_file, _) in zip(rates, runs, strict=True)), 3),
        "client_cpu_us_per_recipient": round(median(run["cpu_s"] for _, run in runs) / number * 1e6, 1),
        "rss_mb": round(max(run["rss_mb"] for _, run in runs), 1),
    }
