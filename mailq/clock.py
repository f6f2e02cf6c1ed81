"""The process's own clock, handed down so that a test can move it. Leases are judged by the database's clock, never by this."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def utc_now() -> datetime:
    """The wall clock, aware, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """Two ways to ask the time: `now` for stamps, `monotonic` (seconds, suspend included) for deadlines."""

    now: Callable[[], datetime] = utc_now
    monotonic: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME)
