"""The worker processes of a main process, as its warden may end them."""

import os
import select
import signal
from pathlib import Path

DEAD_WITHIN_S = 2.0


def kill(pid: int, *, parent_pid: int) -> bool:
    """Kill a child of this parent, and wait for its end; whether it is dead. A pid that is no child of it is left alone.

    Held by a descriptor, so that a pid which ends and comes again meanwhile is not mistaken.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        if _parent_of(pid) != parent_pid:
            return False
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        # Readable from its death on, whether or not the parent has noticed.
        readable, _, _ = select.select([descriptor], [], [], DEAD_WITHIN_S)
        return bool(readable)
    except ProcessLookupError:
        return True
    finally:
        os.close(descriptor)


def _parent_of(pid: int) -> int | None:
    try:
        # "pid (name) state ppid …": the name may hold anything.
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None
