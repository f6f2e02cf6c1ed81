"""The SMTP client alone: messages made before, a feed that only counts, no database. Prints CPU microseconds per mail.

python -m tests.benchmarks.client_alone smtp://127.0.0.1:2525 --loop asyncio --mails 60000
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterable
from statistics import median
from typing import Any

import click

from mailq import bootstrap
from mailq.core.outcome import Accepted, Outcome
from mailq.engine.ports import Letter
from mailq.transports.smtp import SmtpOptions, SmtpWire
from tests.benchmarks import processes, recipients
from tests.benchmarks.ground import Ground

LOOPS: dict[str, Callable[[], Any]] = {"asyncio": lambda: None, "uvloop": bootstrap.loop_factory}
SESSIONS = 50
_WARM_UP = 2000


class CountingFeed:
    """A `mailq.engine.ports.Feed` of letters that are all at hand."""

    def __init__(self, letters: Iterable[Letter]) -> None:
        self._letters = iter(letters)
        self.num_accepted = 0

    async def take(self) -> Letter | None:
        """The next one."""
        return self.take_now()

    def take_now(self) -> Letter | None:
        """The next one."""
        return next(self._letters, None)

    def may_send(self, letter: Letter) -> bool:
        """Always."""
        return True

    def may_dot(self, letter: Letter) -> bool:
        """Always."""
        return True

    def report(self, letter: Letter, outcome: Outcome) -> None:
        """Count."""
        self.num_accepted += isinstance(outcome, Accepted)

    def give_back(self, letter: Letter) -> None:
        """Nobody wants it."""


async def carry(url: str, letters: list[Letter]) -> dict[str, float]:
    """Carry a few letters to warm up, then all."""
    wire = SmtpWire(SmtpOptions.from_url(url, sessions=SESSIONS))
    await wire.carry(CountingFeed(letters[:_WARM_UP]))
    feed = CountingFeed(letters)
    began, cpu_s = time.perf_counter(), time.process_time()
    await wire.carry(feed)
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu_s
    await wire.close()
    if feed.num_accepted != len(letters):
        raise SystemExit(f"only {feed.num_accepted} of {len(letters)} were accepted")
    return {"cpu_us_per_mail": cpu_s / len(letters) * 1e6, "mails_per_s": len(letters) / seconds}


def measure(ground: Ground) -> dict[str, Any]:
    """Measure with each event loop in a process of its own; the medians."""
    return {
        "client": {"sessions": SESSIONS} | {loop: _measured(ground, loop) for loop in LOOPS if LOOPS[loop]() or loop == "asyncio"}
    }


def _measured(ground: Ground, loop: str) -> dict[str, float]:
    words = ["-m", "tests.benchmarks.client_alone", ground.sink.url, "--loop", loop, "--mails", str(ground.sizes.mails)]
    runs = [json.loads(processes.run([sys.executable, *words]).output) for _ in range(ground.sizes.pairs)]
    return {name: round(median(run[name] for run in runs), 1) for name in runs[0]}


@click.command()
@click.argument("url")
@click.option("--loop", type=click.Choice(list(LOOPS)), default="asyncio")
@click.option("--mails", default=60_000)
def main(url: str, loop: str, mails: int) -> None:
    """Carry letters to this relay and print what each cost."""
    content = recipients.message()
    letters = [Letter(seq, "news@shop.example", recipients.address(seq), content) for seq in range(1, mails + 1)]
    with asyncio.Runner(loop_factory=LOOPS[loop]()) as runner:
        print(json.dumps(runner.run(carry(url, letters))))


if __name__ == "__main__":
    main()
