"""Processes that must not outlive another one: the kernel kills them when their parent ends, whatever it died of."""

import ctypes
import os
import signal
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_POLL_S = 0.01
_DEAD_WITHIN_S = 2.0


def die_with(parent: int) -> None:
    """Have the calling process killed when its parent ends. If that has happened already, end it now."""
    # Set first and then checked: a parent that dies in between has sent nothing.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def kill_child(parent: int, pid: int) -> bool:
    """Kill a process if it is a child of `parent`, however it hangs; whether it is dead now."""
    if _parent_of(pid) != parent:
        return False
    os.kill(pid, signal.SIGKILL)
    give_up_at = time.monotonic() + _DEAD_WITHIN_S
    while _parent_of(pid) == parent:
        if time.monotonic() > give_up_at:
            return False
        time.sleep(_POLL_S)
    return True


def _parent_of(pid: int) -> int | None:
    """The parent of a process that lives; None if it has ended, whether or not its parent has noticed."""
    try:
        # "pid (name) state ppid …": the name may hold anything.
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return None
    return None if state in {"Z", "X"} else int(parent)
