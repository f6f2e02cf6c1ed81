"""Read by every Python process that runs with a wrong clock: sleep by `select`.

libfaketime moves the clock on the wall and is told to leave the monotonic one; but it moves the end of a sleep all the same, and
`time.sleep`, which sleeps until a moment of the monotonic clock, then fails (libfaketime 0.9.10: EINVAL).
"""

import select
import time
from typing import SupportsIndex


def _sleep(seconds: float | SupportsIndex, /) -> None:
    if float(seconds) < 0:
        raise ValueError("sleep length must be non-negative")
    select.select([], [], [], float(seconds))


time.sleep = _sleep
