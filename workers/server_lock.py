"""One live server of an id on this host: a file lock held by the main process and inherited by its worker processes.

The kernel lets go of it when the last of them has ended, whatever they died of; so whoever gets it knows they are dead.
"""

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from mailq import telemetry
from mailq.errors import Conflict

log = telemetry.logger(__name__)

_POLL_S = 0.1


class ServerLock:
    """A held lock. Nobody closes it before the process ends, or `release`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path, server: str, *, patience_s: float, pause: Callable[[float], None] = time.sleep) -> Self:
        """Take the lock of a server id, waiting a while for a former server that is just stopping.

        Raises:
            Conflict: a live server holds it.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if not _locked_within(descriptor, server, patience_s, pause):
            holder = _holder(descriptor)
            os.close(descriptor)
            raise Conflict(
                f"server {server} is running here already, as process {holder}; stop it, or give this one another MAILQ_SERVER_PORT"
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        return cls(descriptor)

    def release(self) -> None:
        """Let the next one start."""
        os.close(self._descriptor)


def _locked_within(descriptor: int, server: str, patience_s: float, pause: Callable[[float], None]) -> bool:
    waited = 0.0
    while not _locked(descriptor):
        if waited >= patience_s:
            return False
        if not waited:
            log.warning("server.waits_for_former", server=server, pid=_holder(descriptor), patience_s=patience_s)
        pause(_POLL_S)
        waited += _POLL_S
    return True


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> str:
    return os.pread(descriptor, 20, 0).decode() or "unknown"
