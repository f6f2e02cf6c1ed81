"""Child processes that never outlive their supervisor, are noticed when they end, and are stopped in order."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from signal import Signals

from mailq.errors import MailqError, Unavailable
from mailq.local import faults

_CHILD = Path(__file__).with_name("child.py")
_LOG_LIMIT_BYTES = 10_000_000
_POLL_SECONDS = 0.01
_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "TMPDIR")


class Rank(IntEnum):
    """Who is stopped first: what works, then what it talks to."""

    WORK = 0
    SINK = 1
    SERVER = 2


@dataclass(frozen=True)
class Account:
    """The unprivileged user a server runs as when root starts it."""

    uid: int
    gid: int
    name: str


@dataclass(frozen=True)
class Stop:
    """How a child is asked to end: signals, each with the seconds it is given; after the last one it is killed."""

    steps: tuple[tuple[Signals, float], ...] = ((signal.SIGTERM, 10.0),)


@dataclass
class Child:
    """One process under supervision; its output goes to `log`."""

    name: str
    rank: Rank
    process: subprocess.Popen[bytes]
    log: Path
    log_start: int
    stop: Stop
    stopped: bool = field(default=False, init=False)

    @property
    def pid(self) -> int:
        """Its process id, and the id of its process group and session."""
        return self.process.pid

    def last_words(self, limit_bytes: int = 4000) -> str:
        """The end of what it has logged since its start."""
        with self.log.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(self.log_start, end - limit_bytes))
            return log.read().decode(errors="replace").strip()

    def check(self) -> None:
        """Make sure it runs.

        Raises:
            Unavailable: it has ended though nobody stopped it.
        """
        code = self.process.poll()
        if code is not None and not self.stopped:
            raise faults.ended(self.name, code, self.last_words(), self.log)

    def wait(self, within: float | None = None) -> int:
        """Wait for its own end, at most so many seconds; returns its exit code.

        Raises:
            Unavailable: it still runs.
        """
        try:
            code = self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise Unavailable(f"{self.name} still runs after {within:.0f} s; see {self.log}") from None
        self.stopped = True
        return code

    def wait_until(self, ready: Callable[[], bool], within: float) -> None:
        """Wait for a condition that the child brings about.

        Raises:
            Unavailable: it ended, or the time is over.
        """
        deadline = time.monotonic() + within
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise Unavailable(f"{self.name} is not ready after {within:.0f} s; see {self.log}\n  {self.last_words(400)}")
            time.sleep(_POLL_SECONDS)

    def kill(self) -> None:
        """End it and its process group at once."""
        self.stopped = True
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()


class Supervisor:
    """Starts children, watches them, stops them. To be used from the main thread.

    The parent-death signal is tied to the thread that started a child (prctl(2)), so this has to be one that lives as long.
    """

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.children: list[Child] = []

    def start(
        self,
        name: str,
        argv: Sequence[str],
        *,
        rank: Rank = Rank.WORK,
        stop: Stop | None = None,
        account: Account | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        pass_fds: Sequence[int] = (),
        death_signal: Signals = signal.SIGKILL,
    ) -> Child:
        """Start a program; `argv[0]` is a path. Without `env` it gets a bare environment, as servers should.

        Raises:
            MailqError: it cannot be started, in one sentence.
        """
        if threading.current_thread() is not threading.main_thread():
            raise ValueError("children are started from the main thread: they end with the thread that started them")
        user = (str(account.uid), str(account.gid)) if account else ("-", "-")
        wrapper = [sys.executable, "-I", "-S", str(_CHILD), str(os.getpid()), str(int(death_signal)), *user]
        with faults.files_of(self.logs):
            path = self._open_log(name)
            with path.open("ab") as log:
                process = subprocess.Popen(
                    [*wrapper, *argv],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=dict(env) if env is not None else bare_environment(),
                    cwd=cwd,
                    pass_fds=pass_fds,
                    start_new_session=True,
                )
                child = Child(name, rank, process, path, log.tell(), stop or Stop())
        self.children.append(child)
        return child

    def check(self) -> None:
        """Make sure that everything runs.

        Raises:
            Unavailable: a child has ended though nobody stopped it.
        """
        for child in self.children:
            child.check()

    def forget(self, child: Child) -> None:
        """No longer mind a child that has ended, as one that is about to be started anew."""
        child.process.wait()
        self.children.remove(child)

    def stop(self) -> None:
        """Stop all, rank by rank. A second Ctrl-C, or any other error on the way, kills what is left."""
        try:
            for rank in Rank:
                self._stop_together([child for child in self.children if child.rank is rank])
        finally:
            for child in self.children:
                child.kill()
            self.children.clear()

    def stop_child(self, child: Child) -> None:
        """Stop one child by its steps and forget it."""
        try:
            self._stop_together([child])
        finally:
            child.kill()
            self.children.remove(child)

    @staticmethod
    def _stop_together(children: list[Child]) -> None:
        for child in children:
            child.stopped = True
            _send(child, child.stop.steps[0][0])
        for child in children:
            for number, (ask, seconds) in enumerate(child.stop.steps):
                if number:
                    _send(child, ask)
                with suppress(subprocess.TimeoutExpired):
                    child.process.wait(seconds)
                    break

    def _open_log(self, name: str) -> Path:
        path = self.logs / f"{name}.log"
        self.logs.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > _LOG_LIMIT_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return path


def bare_environment() -> dict[str, str]:
    """What a server needs of ours: no PGDATA or PGPORT may reach it, and its messages are to be English."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return {"PATH": os.defpath} | kept | {"LC_ALL": "C.UTF-8"}


def run_once(supervisor: Supervisor, name: str, argv: Sequence[str], *, account: Account | None, within: float) -> None:
    """Run a program to its end, under the same protection as a server.

    Raises:
        Unavailable: it failed; the text ends with its last lines.
    """
    child = supervisor.start(name, argv, account=account, rank=Rank.SERVER, cwd=Path("/"))
    try:
        if (code := child.wait(within)) != 0:
            raise faults.ended(name, code, child.last_words(), child.log)
    except MailqError:
        child.kill()
        raise
    finally:
        if child.process.poll() is not None:
            supervisor.forget(child)


def _send(child: Child, ask: Signals) -> None:
    if child.process.poll() is None:
        child.process.send_signal(ask)
