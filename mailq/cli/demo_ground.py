"""Where the demo takes place: a stack of its own, one that stays, or one that runs already. Never a relay of somebody else's."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from mailq import settings
from mailq.cli import parts
from mailq.cli.terminal import say
from mailq.cli.up import bring_up
from mailq.core.mailing import Lane
from mailq.errors import Conflict
from mailq.settings import Settings

if TYPE_CHECKING:
    from mailq.local.stack import Running
    from mailq.local.state import Facts
    from mailq.local.takeover import Kill

_FLOWER_WITHIN_S = 15.0
_SEEN_WITHIN = timedelta(seconds=30)


@dataclass(frozen=True)
class Ground:
    """A stack with a worker server and a sink.

    Attributes:
        lasting: whether it stays when the demo is over.
        check: raises if the demo cannot go on.
        kill: what is done to one of two servers in the middle.
    """

    settings: Settings
    about: "Facts"
    lasting: bool
    check: Callable[[], None] = field(default=lambda: None)
    kill: "Kill | None" = None

    @property
    def accepted_file(self) -> Path:
        """The sink's own list."""
        return Path(self.about.files["accepted"])

    @property
    def flower(self) -> str | None:
        """Flower's address."""
        return self.about.addresses.get("flower")


@contextmanager
def grounded(chosen: Settings, *, keep: bool) -> Iterator[Ground]:
    """A stack to run the demo on.

    Raises:
        Conflict: the stack that runs here has no sink, or the database of the settings has servers of its own.
        MailqError: it does not start.
    """
    from mailq.local import state

    home = Path(chosen.home)
    if state.is_running(home):
        with _existing(home) as ground:
            yield ground
    elif keep:
        yield _kept(home)
    else:
        with _own(chosen) as ground:
            yield ground


@contextmanager
def with_two_servers(chosen: Settings) -> Iterator[Ground]:
    """A stack of the demo's own with two servers, the first of which is to be killed.

    Raises:
        Conflict: a stack runs here already.
        MailqError: it does not start.
    """
    from mailq.local import demo as demo_parts
    from mailq.local import takeover

    with _started(chosen, (takeover.SLOW, *demo_parts.RULES)) as running:
        say("starting two worker servers and Flower; the second has the first on its migration list")
        bring_up(running, worker=False, flower=True)
        first = takeover.start_two(running)
        yield _wired(running, kill=takeover.Kill(running, first, say))


@contextmanager
def _own(chosen: Settings) -> Iterator[Ground]:
    from mailq.local import demo as demo_parts

    with _started(chosen, demo_parts.RULES) as running:
        say("starting a worker server and Flower")
        bring_up(running, worker=True, flower=True)
        yield _wired(running)


@contextmanager
def _started(chosen: Settings, rules: Sequence[str]) -> "Iterator[Running]":
    from mailq.local import demo as demo_parts
    from mailq.local import stack

    say(f"starting PostgreSQL, Redis and a mail sink in {chosen.home}")
    with stack.running(chosen, sink=stack.SinkOptions(rules=rules)) as running:
        if "database_url" not in running.started:
            _refuse_somebody_elses(chosen)
        running.settings |= demo_parts.SETTINGS
        yield running
        say("stopping the stack")


def _wired(running: "Running", kill: "Kill | None" = None) -> Ground:
    wired = settings.load(
        home=running.home, database_url=running.database_url, redis_url=running.redis_url, relay_url=running.relay_url
    )
    _wait_for_flower(running.addresses.get("flower"))
    return Ground(wired, running.describe(), lasting=False, check=_checked(running), kill=kill)


def _checked(running: "Running") -> Callable[[], None]:
    from mailq.local.guests import FLOWER

    def check() -> None:
        for child in running.supervisor.children:
            if child.name != FLOWER:
                child.check()

    return check


def _kept(home: Path) -> Ground:
    from mailq.local import detached, guests

    say(f"starting PostgreSQL, Redis, a mail sink, a worker server and Flower in {home}, to stay")
    flower = frozenset({guests.FLOWER} if guests.has_flower() else ())
    about = detached.start(home, ["--demo", "--with-worker", "--with-flower"], ready=flower | {guests.WORKER})
    _wait_for_flower(about.addresses.get("flower"))
    return Ground(parts.load(), about, lasting=True)


@contextmanager
def _existing(home: Path) -> Iterator[Ground]:
    from mailq.local import state

    about = state.facts(home)
    if about is None:
        raise Conflict(f"a local stack is just starting or stopping in {home}; try again in a moment")
    if "accepted" not in about.files:
        raise Conflict(f"the stack in {home} has no mail sink; `mailqctl down`, then `mailqctl demo`")
    chosen = parts.load()
    say(f"using the stack that runs in {home}")
    if _is_served(chosen):
        yield Ground(chosen, about, lasting=True)
        return
    with _worker_beside(home, about) as check:
        yield Ground(chosen, about, lasting=True, check=check)


@contextmanager
def _worker_beside(home: Path, about: "Facts") -> Iterator[Callable[[], None]]:
    """A worker server for as long as the demo lasts, on a stack that has none."""
    from mailq.local.supervisor import Supervisor

    say("no server is alive there; starting one for the time of the demo")
    supervisor = Supervisor(home / "log")
    environment = {**os.environ, "MAILQ_HOME": str(home.absolute()), "MAILQ_RELAY_URL": about.addresses["relay"]}
    supervisor.start("worker", [sys.executable, "-m", "mailq", "worker"], env=environment)
    try:
        yield supervisor.check
    finally:
        supervisor.stop()


def _is_served(chosen: Settings) -> bool:
    from mailq.store import servers

    with parts.opened(chosen) as database, database.begin() as tx:
        return servers.slots(tx, Lane.BULK, seen_within=_SEEN_WITHIN) > 0


def _refuse_somebody_elses(chosen: Settings) -> None:
    """Servers of the settings' database would carry the demo's mails to their own relay."""
    from mailq.store import revision

    with parts.opened(chosen) as database:
        if revision.revision(database).current is None or not _is_served(chosen):
            return
        raise Conflict(f"database {database.address} has live servers of its own; unset MAILQ_DATABASE_URL for the demo")


def _wait_for_flower(address: str | None) -> None:
    """Flower shows only what happens while it listens; a demo that is over before it listens would leave it empty."""
    from mailq.local import guests

    deadline = time.monotonic() + _FLOWER_WITHIN_S
    while address and not guests.answers(address):
        if time.monotonic() > deadline:
            say(f"Flower does not answer yet on {address}; going on without waiting for it")
            return
        time.sleep(0.1)
