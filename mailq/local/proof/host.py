"""One worker server of the proof, on a host of its own: a home, an id, a process group, and a network namespace where there is one."""

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from mailq.core.mailing import Lane
from mailq.errors import Unavailable
from mailq.local.proof import processes
from mailq.local.proof.clocks import PACKAGES
from mailq.local.proof.namespaces import Namespace
from mailq.local.supervisor import Child, Stop, Supervisor

_START_AGAIN_AFTER_S = 1.0
STOP_WITHIN_S = 25.0


class Host:
    """A server as an operator of a machine has it: it can be started, signalled and pulled from the wall.

    Attributes:
        paused: pids that were stopped by SIGSTOP.
        cut: services it cannot reach now.
        next_clock: variables that give its next start another clock than the machine's.
        ending: until when an orderly stop may last.
        num_ended: how often the server ended by itself; as a service manager would, we start it again.
        num_kept_out: how often it could not start because a service was away.
        num_cut_short: how often it had to be killed because its orderly stop took too long.
    """

    def __init__(
        self,
        name: str,
        home: Path,
        supervisor: Supervisor,
        env: Mapping[str, str],
        namespace: Namespace | None,
        *,
        processes: int,
        lanes: Sequence[Lane],
    ) -> None:
        self.name = name
        self.home = home
        self.namespace = namespace
        self.child: Child | None = None
        self.paused: set[int] = set()
        self.cut: set[str] = set()
        self.ending: float | None = None
        self.start_at: float | None = None
        self.num_ended = 0
        self.num_kept_out = 0
        self.num_cut_short = 0
        self._supervisor = supervisor
        self._env = env
        self._processes = processes
        self._lanes = [word for lane in lanes for word in ("--lane", lane.value)]
        self.next_clock: Mapping[str, str] = {}

    @property
    def up(self) -> bool:
        """Whether its main process runs."""
        return self.child is not None and self.child.process.poll() is None

    @property
    def serving(self) -> bool:
        """Whether it has worker processes and a warden, and nobody stopped it."""
        return self.up and self.ending is None and not self.paused and bool(self.children() and self.wardens())

    def start(self) -> None:
        """Start the server, this once with the clock that was chosen for it."""
        self.home.mkdir(parents=True, exist_ok=True)
        clock, self.next_clock = self.next_clock, {}
        words = [sys.executable, "-m", "mailq", "worker", "--unchecked", *self._lanes, "-c", str(self._processes)]
        inside = [*self.namespace.words, *words] if self.namespace else words
        self.start_at = self.ending = None
        self.paused.clear()
        self.child = self._supervisor.start(
            self.name,
            inside,
            stop=Stop(((signal.SIGTERM, 5.0),)),
            env={**self._env, "MAILQ_HOME": str(self.home), "PYTHONPATH": PACKAGES, **clock},
            cwd=self.home,
        )

    def members(self) -> list[processes.Entry]:
        """Its processes."""
        return processes.of_group(self.child.pid) if self.child else []

    def children(self) -> list[int]:
        """Its worker processes."""
        return processes.children(self.members(), self.child.pid) if self.child else []

    def wardens(self) -> list[int]:
        """Its warden."""
        return processes.wardens(self.members())

    def kill(self) -> None:
        """End all of it at once."""
        if self.child is not None:
            self.child.kill()
            self._supervisor.forget(self.child)
            self.child = None
        self.paused.clear()
        self.ending = None

    def lose(self, number: int) -> None:
        """Its disk is gone, moved to where only a person will look."""
        with suppress(FileNotFoundError):
            self.home.rename(self.home.with_name(f"{self.home.name}.lost-{number}"))

    def terminate(self) -> None:
        """Ask it to stop, the whole group at once as service managers do."""
        if self.child is not None:
            self.child.stopped = True
            self.ending = time.monotonic() + STOP_WITHIN_S
            with suppress(ProcessLookupError):
                os.killpg(self.child.pid, signal.SIGTERM)

    def pause(self, pids: list[int]) -> None:
        """Stop processes where they are."""
        self.paused |= set(pids)
        processes.send(pids, signal.SIGSTOP)

    def wake(self) -> None:
        """Let all go on."""
        processes.send(self.paused, signal.SIGCONT)
        self.paused.clear()

    def mind(self) -> None:
        """Look after it: a stop that lasts too long is cut short, and a server that has ended by itself is started again."""
        now = time.monotonic()
        if self.ending is not None and now > self.ending and self.up:
            self.num_cut_short += 1
            self.kill()
            self.start_at = now
        if self.child is not None and not self.up:
            if not self.child.stopped:
                kept_out = self.child.process.returncode == Unavailable.exit_code
                self.num_kept_out += kept_out
                self.num_ended += not kept_out
            self.kill()
            self.start_at = self.start_at or now + _START_AGAIN_AFTER_S
        if self.child is None and self.start_at is not None and now >= self.start_at:
            self.start()
