"""How far something is: a bar with rate and time left on a terminal, a line every ten seconds elsewhere. Always on stderr."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from mailq.cli.terminal import console, say, span, stderr_is_terminal

LINE_EVERY_S = 10.0


class Meter(Protocol):
    """Told how far it is; shows it."""

    def at(self, done: int, total: int, note: str = "") -> None:
        """So much is done of so much; `note` is what else a watcher should know."""


@contextmanager
def shown(what: str, unit: str) -> "Iterator[Meter]":
    """Show how far something is while this lasts.

    Args:
        unit: what is counted, `recipients` for one.
    """
    if stderr_is_terminal():
        with _bar(what, unit) as meter:
            yield meter
    else:
        yield Lines(what, unit)


@dataclass
class Lines:
    """A line now and then, for logs."""

    what: str
    unit: str
    now: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._began: tuple[float, int] | None = None
        self._next = self.now() + LINE_EVERY_S

    def at(self, done: int, total: int, note: str = "") -> None:
        """Say it, unless it was said just now."""
        now = self.now()
        began, before = self._began = self._began or (now, done)
        if now < self._next:
            return
        self._next = now + LINE_EVERY_S
        rate = (done - before) / (now - began) if now > began else 0.0
        say(f"{self.what}: {describe(done, total, rate, self.unit)}{f'; {note}' if note else ''}")


def describe(done: int, total: int, rate: float, unit: str) -> str:
    """`1,200 of 5,000 recipients (24 %), 300/s, 13 s left`."""
    share = f" ({100 * done // total} %)" if total else ""
    speed = f", {rate:,.0f}/s, {span((total - done) / rate)} left" if rate > 0 else ""
    return f"{done:,} of {total:,} {unit}{share}{speed}"


@contextmanager
def _bar(what: str, unit: str) -> "Iterator[Meter]":
    from mailq.cli.bar import drawn

    with drawn(what, console(stderr=True), in_bytes=unit == "bytes") as meter:
        yield meter
