"""Servers of a former stack that have not finished ending: waited for, then ended, so that none blocks the next start.

After `kill -9` of a supervisor its servers get their death signal and still need a moment. Only a process that works in our data
directory counts; the caller holds the stack's lock, so no living stack owns it.
"""

import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from signal import Signals

_POLL_SECONDS = 0.02


def clear(data: Path, pid_file: Path, steps: Sequence[tuple[Signals, float]]) -> None:
    """End what is left over, by these signals with their seconds, and remove its pid file.

    A pid file may name a stranger by now (after a reboot numbers come again): then only the file goes.
    """
    pid = _noted(pid_file)
    if pid is None:
        return
    for ask, seconds in (*steps, (signal.SIGKILL, 5.0)):
        if not _works_in(pid, data):
            break
        with suppress(ProcessLookupError):
            os.kill(pid, ask)
        _wait(pid, data, seconds)
    pid_file.unlink(missing_ok=True)


def _noted(pid_file: Path) -> int | None:
    try:
        return int(pid_file.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def _works_in(pid: int, data: Path) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cwd").readlink() == data.resolve()
    return False


def _wait(pid: int, data: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while _works_in(pid, data) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
