"""The worker node: one worker server of ours, `celery -A workers worker`, with its children and its warden."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
from celery import Celery
from pytest_celery import CeleryTestWorker, CeleryWorkerContainer

from mailq.local.supervisor import Supervisor, bare_environment
from tests.support.nodes.process import NodeProcess
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[3]
_READY_WITHIN = 60.0


class ServerContainer(CeleryWorkerContainer):
    """The vendor's worker without Docker, and with our app instead of the generated one."""

    def __init__(self, process: NodeProcess, name: str, queues: str) -> None:
        # Not Container.__init__: it maps Docker's networks.
        self._container = process
        self._name = name
        self._queues = queues

    @classmethod
    def launch(
        cls,
        supervisor: Supervisor,
        home: Path,
        *,
        name: str,
        queues: str,
        concurrency: int,
        settings: Mapping[str, str],
        options: Sequence[str] = (),
        python_path: Sequence[Path] = (),
    ) -> "ServerContainer":
        """Start a server in a home of its own."""
        home.mkdir(parents=True, exist_ok=True)
        # The vendor's command is `celery -A app worker …`.
        words = ["-Q", queues, "-c", str(concurrency), "-n", f"{name}@%h", "--without-mingle", "--without-gossip", *options]
        argv = [sys.executable, "-m", "celery", "-A", "workers", "worker", *words]
        path = os.pathsep.join(map(str, (*python_path, ROOT)))
        env = {**bare_environment(), **settings, "MAILQ_HOME": str(home), "PYTHONPATH": path, "PGGSSENCMODE": "disable"}
        return cls(NodeProcess(supervisor, f"server-{name}", argv, env, home), name, queues)

    def worker_name(self) -> str:  # type: ignore[override]
        """The part of the node's name before the host."""
        return self._name

    def worker_queue(self) -> str:  # type: ignore[override]
        """The queues it serves."""
        return self._queues

    def ready(self) -> bool:
        """Wait until it consumes."""
        process = self._container
        process.child.wait_until(
            lambda: f"{self._name}@" in (log := process.logs_since_start()) and " ready." in log, _READY_WITHIN
        )
        return True

    def restart(self, timeout: float = 30) -> None:
        """SIGTERM and a new start: the next incarnation."""
        self._container.restart(timeout=timeout)
        self.ready()

    def teardown(self) -> None:
        """End it; a server that still works is not waited for."""
        self._container.kill("SIGKILL")


class WorkerServer(CeleryTestWorker):
    """A worker server as the tests see it."""

    def __init__(self, container: ServerContainer, app: Celery | None = None) -> None:
        super().__init__(container, app)

    @property
    def process(self) -> NodeProcess:
        """The main process, and its group."""
        return self.container._container

    @property
    def pid(self) -> int:
        """Of the main process; also the id of the group."""
        return self.process.child.pid

    @property
    def log(self) -> str:
        """What this start has logged, children and warden included."""
        return self.process.logs_since_start()

    @property
    def alive(self) -> bool:
        """Whether the main process runs."""
        return self.process.status == "running"

    @property
    def children(self) -> list[psutil.Process]:
        """The worker processes of the pool."""
        return [one for one in self._offspring() if not _is_warden(one)]

    @property
    def warden(self) -> psutil.Process:
        """The warden."""
        return next(one for one in self._offspring() if _is_warden(one))

    def wait_ready(self) -> "WorkerServer":
        """Wait until it consumes; returns itself."""
        self.container.ready()
        return self

    def terminate(self, *, group: bool = True) -> None:
        """SIGTERM, to the whole process group unless told otherwise: that is what service managers do."""
        self.process.send(signal.SIGTERM, group=group)

    def wait_ended(self, within: float = 20.0) -> int:
        """Wait for its end, and for that of all its processes; the exit code."""
        code = self.process.child.wait(within)
        eventually(lambda: not self._group(), within=5)
        return code

    def start_again(self) -> "WorkerServer":
        """Start the same server once more; returns itself when it consumes."""
        self.process.start()
        return self.wait_ready()

    def get_running_processes_info(
        self, columns: list[str] | None = None, filters: dict[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """As the vendor's, of this server's processes alone."""
        wanted = columns or ["pid", "name", "username", "cmdline", "cpu_percent", "memory_percent", "create_time"]
        rows = [one.as_dict(wanted) for one in (psutil.Process(self.pid), *self._offspring())]
        return [row for row in rows if all(row.get(name) == value for name, value in (filters or {}).items())]

    def _offspring(self) -> list[psutil.Process]:
        if not self.alive:
            return []
        return [one for one in psutil.Process(self.pid).children(recursive=True) if _group_of(one) is not None]

    def _group(self) -> list[int]:
        return [one.pid for one in psutil.process_iter() if _group_of(one) == self.pid]


def _is_warden(process: psutil.Process) -> bool:
    try:
        return "workers.warden" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def _group_of(process: psutil.Process) -> int | None:
    """The process group of a process; None if it has ended, whether or not somebody has noticed."""
    try:
        # "pid (name) state ppid pgrp …": the name may hold anything.
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[2])
