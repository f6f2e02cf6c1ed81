"""Processes that must not outlive another one: the kernel kills them when their parent ends, whatever it died of."""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Have the calling process killed when its parent ends. If that has happened already, end it now."""
    # Set first and then checked: a parent that dies in between has sent nothing.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
