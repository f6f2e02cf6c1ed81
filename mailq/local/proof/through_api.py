"""What the proofs through the HTTP API have in common: producers in threads, the ground looked after, and how it ended."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mailq.errors import Unavailable
from mailq.local.proof.agenda import Agenda
from mailq.local.proof.doors.served import Served
from mailq.local.proof.ground import Ground

_TICK_S = 0.05


class Watcher(Protocol):
    """Whoever looks on."""

    def at(self, done: int, total: int, note: str = "") -> None:
        """So many faults of so many are done."""


@dataclass
class Outcome:
    """How a proof ended.

    Attributes:
        num_retries: how often a producer got no answer, and handed over the same again.
        num_repeated: how often one handed over again what had been confirmed.
        num_ended: how often the API, or whoever else is counted, ended by itself.
        num_cut_short: how often an orderly stop took too long.
        violation: what must not be, in words; None if all is well.
    """

    num_retries: int = 0
    num_repeated: int = 0
    num_ended: int = 0
    num_cut_short: int = 0
    violation: list[str] | None = None


class Working(ABC):
    """One producer, in a thread of its own, until it is told to end; what it has begun it brings to its end."""

    def __init__(self, name: str) -> None:
        self._ending = threading.Event()
        self._given_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"producer-{name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Begin nothing new."""
        self._ending.set()

    def has_ended(self, within_s: float) -> bool:
        """Whether all it had begun is confirmed."""
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def give_up(self) -> None:
        """Try no more."""
        self._ending.set()
        self._given_up.set()

    @abstractmethod
    def _run(self) -> None:
        """Work until it is to end."""


class Stage:
    """A ground with the API on it, and what is to be undone there later.

    Args:
        look: what else is looked at each time; it may raise.
    """

    def __init__(self, ground: Ground, served: Served, look: Callable[[], None] = lambda: None) -> None:
        self._ground = ground
        self._served = served
        self._look = look
        self.agenda = Agenda()

    def start(self, within_s: float) -> None:
        """Start the API, and wait until it and every server is ready.

        Raises:
            Unavailable: one is not.
        """
        self._served.start()
        if not self.go_on_until(lambda: not self._not_ready(), within_s) and (late := self._not_ready()):
            raise Unavailable(f"{', '.join(late)}: not ready after {within_s:.0f} s; see {self._ground.supervisor.logs}")

    def _not_ready(self) -> list[str]:
        servers = [f"the server {host.name}" for host in self._ground.hosts if not host.serving]
        return servers if self._served.ready else ["the API", *servers]

    def go_on_for(self, seconds: float) -> None:
        """Look after everything for a time."""
        self.go_on_until(lambda: False, seconds)

    def go_on_until(self, over: Callable[[], bool], within_s: float) -> bool:
        """Look after everything until something is so; whether it is so within a time."""
        deadline = time.monotonic() + within_s
        while not over():
            if time.monotonic() > deadline:
                return False
            self.agenda.work()
            self._served.mind()
            for host in self._ground.hosts:
                host.mind()
            self._look()
            time.sleep(_TICK_S)
        return True
