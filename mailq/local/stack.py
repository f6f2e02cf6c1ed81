"""The local stack: PostgreSQL, Redis and a mail sink as children of this process, for `up`, `demo` and whoever tries mailq out.

with stack.running(settings, sink=SinkOptions()) as running:
    running.supervise([sys.executable, "-m", "celery", ...], "worker")
    running.wait()
"""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import FrameType

from mailq import urls
from mailq.clock import utc_now
from mailq.local import faults, place, state
from mailq.local.binaries import Origin
from mailq.local.postgres import Postgres
from mailq.local.redis import Redis
from mailq.local.sinks import SinkOptions, SinkProcess, start_sink
from mailq.local.supervisor import Child, Rank, Stop, Supervisor
from mailq.settings import Settings

__all__ = ["Origin", "Running", "SinkOptions", "SinkProcess", "running"]

_CHECK_EVERY = 0.25


@dataclass
class Running:
    """A stack that is up.

    Attributes:
        database_url, redis_url: of the settings, or of the servers started here.
        relay_url: the sink's, or else the one of the settings.
        sink: the mail sink, if one was asked for.
        started: names of the settings that were started here.
        addresses: where each part is, without passwords.
        settings: further settings for every process of this home, as `retry.first`.
    """

    home: Path
    database_url: str
    redis_url: str
    relay_url: str | None
    sink: SinkProcess | None
    started: tuple[str, ...]
    supervisor: Supervisor
    addresses: dict[str, str]
    started_at: datetime = field(default_factory=utc_now)
    settings: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """Our environment with the stack's addresses put first: no setting from elsewhere can point a child at other servers."""
        chosen = {"MAILQ_HOME": str(self.home), "MAILQ_DATABASE_URL": self.database_url, "MAILQ_REDIS_URL": self.redis_url}
        relay = {"MAILQ_RELAY_URL": self.relay_url} if self.relay_url else {}
        return {**os.environ, **chosen, **relay}

    def supervise(
        self,
        argv: Sequence[str],
        name: str,
        env: Mapping[str, str] | None = None,
        *,
        stop_within: float = 45.0,
        cwd: Path | None = None,
    ) -> Child:
        """Run a further process (a worker server, Flower), stopped by SIGTERM before the servers; its log is `log/NAME.log`.

        Args:
            argv: the program by its path.
            env: variables on top of `environment()`.
            stop_within: seconds it may take to end by itself.

        Raises:
            MailqError: it cannot be started.
        """
        child = self.supervisor.start(
            name,
            argv,
            rank=Rank.WORK,
            stop=Stop(((signal.SIGTERM, stop_within),)),
            env={**self.environment(), **(env or {})},
            cwd=cwd,
        )
        self.publish()
        return child

    def stop(self, child: Child) -> None:
        """Stop a supervised process, by SIGTERM first."""
        self.supervisor.stop_child(child)
        self.publish()

    def check(self) -> None:
        """Make sure that all children run.

        Raises:
            Unavailable: one has ended by itself; the text has the last lines of its log.
        """
        self.supervisor.check()

    def wait(self) -> None:
        """Stay up until Ctrl-C, SIGTERM or SIGHUP.

        Raises:
            Unavailable: a child has ended by itself.
        """
        try:
            while True:
                self.check()
                time.sleep(_CHECK_EVERY)
        except KeyboardInterrupt:
            return

    def describe(self) -> state.Facts:
        """Where everything is, without passwords."""
        pids = {child.name: child.pid for child in self.supervisor.children}
        files = {"log": str(self.supervisor.logs)} | (self.sink.files() if self.sink else {})
        return state.Facts(os.getpid(), self.started_at, self.addresses, pids, files)

    def publish(self) -> None:
        """Say it in the home: `stack.toml` for settings, `stack.json` for people."""
        state.publish(self.home, {name: getattr(self, name) for name in self.started} | self.settings, self.describe())


@contextmanager
def running(settings: Settings, *, sink: SinkOptions | None = None, origin: Origin = Origin.ANY) -> Iterator[Running]:
    """Bring the stack up, and take it down at the end: what was supervised first, then the sink, then the servers.

    To be entered in the main thread. Meanwhile SIGTERM and SIGHUP interrupt like Ctrl-C (KeyboardInterrupt), so they stop all.
    A URL in the settings is used as it is, and nothing is started in its place.

    Raises:
        Conflict: a stack of this home runs already.
        Misconfigured: no binaries, a home that cannot be used.
        Unavailable: a server does not start.
    """
    home = _home(settings)
    with state.locked(home), _interrupted_by(signal.SIGTERM, signal.SIGHUP):
        supervisor = Supervisor(home / "log")
        try:
            stack = _start(home, settings, supervisor, sink, origin)
            stack.publish()
            yield stack
        finally:
            state.withdraw(home)
            supervisor.stop()


def _home(settings: Settings) -> Path:
    home = Path(os.path.abspath(settings.home))  # noqa: PTH100 - a home behind a link keeps its name
    with faults.files_of(home):
        home.mkdir(parents=True, exist_ok=True)
    return home


def _start(home: Path, settings: Settings, supervisor: Supervisor, sink: SinkOptions | None, origin: Origin) -> Running:
    stale = state.addresses(home)
    chosen = {name: _configured(settings, name, stale) for name in ("database_url", "redis_url", "relay_url")}
    starters: dict[str, Callable[[], tuple[Child, str]]] = {}
    if not (chosen["database_url"] and chosen["redis_url"]):
        ground = place.find(home)
        starters = {
            "redis_url": lambda: Redis(ground, origin).start(supervisor),
            "database_url": lambda: Postgres(ground, origin).start(supervisor),
        }
    started = [name for name in starters if not chosen[name]]
    for name in started:
        chosen[name] = starters[name]()[1]
    sink_process = start_sink(supervisor, home, sink) if sink else None
    if sink_process:
        chosen["relay_url"] = sink_process.url
        started.append("relay_url")
    database_url, redis_url = chosen["database_url"], chosen["redis_url"]
    if database_url is None or redis_url is None:
        raise AssertionError("each is configured or started")
    addresses = {name.removesuffix("_url"): urls.shown(url, name) for name, url in chosen.items() if url}
    return Running(home, database_url, redis_url, chosen["relay_url"], sink_process, tuple(started), supervisor, addresses)


def _configured(settings: Settings, name: str, stale: Mapping[str, str]) -> str | None:
    """A URL that somebody set, and not one that a crashed stack left in `stack.toml`: we hold the lock, so that one is dead."""
    secret = getattr(settings, name)
    url: str | None = secret.get_secret_value() if secret else None
    return None if url == stale.get(name) else url


@contextmanager
def _interrupted_by(*signals: signal.Signals) -> Iterator[None]:
    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
