"""A process of a node, in the clothes of a Docker container: what pytest-celery's wrappers call is here, and nothing else."""

import os
import signal
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mailq.local.supervisor import Child, Supervisor

_STOP_WITHIN = 20.0


class NodeProcess:
    """Quacks like `docker.models.containers.Container`. Its process leads a group of its own, and ends when pytest does.

    Attributes:
        child: the present process; `start` makes a new one, with the same log.
    """

    def __init__(self, supervisor: Supervisor, name: str, argv: Sequence[str], env: Mapping[str, str], cwd: Path) -> None:
        self.name = name
        self.id = uuid.uuid4().hex
        self._supervisor = supervisor
        self._argv = argv
        self._env = env
        self._cwd = cwd
        self.child = self._start()

    def _start(self) -> Child:
        return self._supervisor.start(self.name, self._argv, env=self._env, cwd=self._cwd)

    @property
    def status(self) -> str:
        """In Docker's words."""
        return "running" if self.child.process.poll() is None else "exited"

    @property
    def attrs(self) -> dict[str, Any]:
        """What the wrappers look up: no networks, no ports to wait for."""
        return {
            "Config": {"Hostname": "127.0.0.1", "Env": [f"{name}={value}" for name, value in self._env.items()]},
            "State": {"Running": self.status == "running", "ExitCode": self.child.process.returncode},
            "NetworkSettings": {"Networks": {}, "Ports": {}},
            "HostConfig": {"PortBindings": {}},
        }

    def reload(self) -> None:
        """Look again, as Docker has it."""
        self.child.process.poll()

    def logs(self) -> bytes:
        """All it has logged, former starts included."""
        return self.child.log.read_bytes()

    def logs_since_start(self) -> str:
        """What the present process has logged."""
        return self.logs()[self.child.log_start :].decode(errors="replace")

    def kill(self, signal: str | int | None = None) -> None:
        """SIGKILL takes the whole group and waits, like `docker kill`; any other signal goes to the main process alone."""
        number = _signal(signal)
        self.send(number, group=number == _KILL)
        if number == _KILL:
            self.child.process.wait(_STOP_WITHIN)

    def send(self, number: int, *, group: bool) -> None:
        """Signal the main process, or the group as a service manager does."""
        self.child.stopped = True
        with suppress(ProcessLookupError):
            if group:
                os.killpg(self.child.pid, number)
            else:
                self.child.process.send_signal(number)

    def stop(self, timeout: float = _STOP_WITHIN) -> None:
        """SIGTERM, and SIGKILL to the group when the time is up."""
        if self.status == "running":
            self.send(signal.SIGTERM, group=False)
            with suppress(subprocess.TimeoutExpired):
                self.child.process.wait(timeout)
        self.child.kill()

    def start(self) -> None:
        """Start anew after it has ended."""
        self._supervisor.forget(self.child)
        self.child = self._start()

    def restart(self, timeout: float = _STOP_WITHIN) -> None:
        """Stop and start."""
        self.stop(timeout)
        self.start()

    def exec_run(self, cmd: str | Sequence[str], **_: Any) -> tuple[int, bytes]:
        """Run a command in the node's surroundings."""
        done = subprocess.run(
            cmd,
            check=False,
            shell=isinstance(cmd, str),
            cwd=self._cwd,
            env=dict(self._env),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return done.returncode, done.stdout


_KILL = int(signal.SIGKILL)


def _signal(given: str | int | None) -> int:
    if given is None:
        return _KILL
    if isinstance(given, int):
        return given
    return int(signal.Signals[given if given.startswith("SIG") else f"SIG{given}"])
