"""A stack that outlives whoever started it: a `mailqctl up` of its own session, and its end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from mailq.errors import Unavailable
from mailq.local import faults, state
from mailq.local.state import Facts

_POLL_S = 0.05
LOG = "up.log"


def start(home: Path, options: Sequence[str], *, ready: frozenset[str], within_s: float = 180.0) -> Facts:
    """Start a stack in the background; returns what it says of itself once these children run.

    Args:
        options: of `mailqctl up`.
        ready: names of children to wait for.

    Raises:
        Unavailable: it does not come up; the text has its last words.
    """
    log = home / "log" / LOG
    with faults.files_of(home):
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "mailq", "up", *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        about = state.facts(home)
        if about is not None and about.pid == process.pid and ready <= about.pids.keys():
            return about
        if process.poll() is not None:
            raise Unavailable(f"the stack did not start:\n{_last_words(log)}")
        time.sleep(_POLL_S)
    process.terminate()
    raise Unavailable(f"the stack is not up after {within_s:.0f} s; see {log}\n{_last_words(log)}")


def stop(home: Path, *, within_s: float) -> bool:
    """End the process that runs the stack of a home, which ends what it started; whether there was one.

    Raises:
        Unavailable: it still runs when the time is over.
    """
    deadline = time.monotonic() + within_s
    asked: int | None = None
    found = False
    while state.is_running(home):
        found = True
        about = state.facts(home)
        # A stack that is just starting has not said yet who it is: asked once, as soon as it has.
        if about is not None and about.pid != asked:
            asked = about.pid
            _ask(home, about)
        if time.monotonic() > deadline:
            raise Unavailable(f"the stack in {home} still runs after {within_s:.0f} s; see {home / 'log'}")
        time.sleep(_POLL_S)
    return found


def _ask(home: Path, about: Facts) -> None:
    """SIGTERM, through a handle on the process: a number that came to somebody else in the meantime is not signalled."""
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(about.pid)
        try:
            if state.is_running(home) and state.facts(home) == about:
                signal.pidfd_send_signal(handle, signal.SIGTERM)
        finally:
            os.close(handle)


def _last_words(log: Path) -> str:
    return "\n".join(f"  {line}" for line in log.read_text(errors="replace").splitlines()[-8:])
