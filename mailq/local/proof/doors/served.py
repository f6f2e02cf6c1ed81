"""The HTTP API of the proof, as a service manager would run it: started again whenever it ends."""

import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from urllib.error import URLError
from urllib.request import urlopen

from mailq.local import ports
from mailq.local.supervisor import Child, Rank, Stop, Supervisor

_STOP_WITHIN_S = 20.0
_PROBE_WITHIN_S = 1.0
_PROCESSES = 2


class Served:
    """The API at one address.

    Attributes:
        num_ended: how often it ended by itself.
        num_cut_short: how often an orderly stop took too long.
    """

    def __init__(self, supervisor: Supervisor, env: Mapping[str, str]) -> None:
        self._supervisor = supervisor
        self._env = env
        self._port = ports.free()
        self._child: Child | None = None
        self._start_at: float | None = None
        self._ending: float | None = None
        self.num_ended = self.num_cut_short = 0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def up(self) -> bool:
        """Whether it was started, and nobody has ended it since."""
        return self._child is not None and self._ending is None

    @property
    def ready(self) -> bool:
        """Whether it answers that it is ready."""
        if not self.up:
            return False
        try:
            with urlopen(f"{self.url}/readyz", timeout=_PROBE_WITHIN_S) as answer:  # noqa: S310 - our own address
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def start(self) -> None:
        """Start it."""
        words = [sys.executable, "-m", "mailq", "api", "--host", "127.0.0.1", "--port", str(self._port)]
        self._start_at = self._ending = None
        self._child = self._supervisor.start(
            "api",
            [*words, "--workers", str(_PROCESSES)],
            rank=Rank.WORK,
            stop=Stop(((signal.SIGTERM, 5.0),)),
            env=self._env,
        )

    def kill(self, *, absent_s: float) -> None:
        """End it at once, with all its processes, for a while."""
        self._forget()
        self._start_at = time.monotonic() + absent_s

    def terminate(self, *, absent_s: float) -> None:
        """Ask it to stop, as a deploy does; it is started again."""
        if self._child is not None:
            self._child.stopped = True
            self._ending = time.monotonic() + _STOP_WITHIN_S
            self._start_at = time.monotonic() + absent_s
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGTERM)

    def mind(self) -> None:
        """Look after it."""
        now = time.monotonic()
        if self._child is not None and self._child.process.poll() is not None:
            self.num_ended += not self._child.stopped
            self._forget()
        elif self._ending is not None and now > self._ending:
            self.num_cut_short += 1
            self._forget()
        if self._child is None and now >= (self._start_at or 0.0):
            self.start()

    def _forget(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._supervisor.forget(self._child)
        self._child = self._ending = None
