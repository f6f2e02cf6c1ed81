"""What a warden does besides renewing the lease: it watches the worker processes, takes over from the dead, and may lead."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from mailq import telemetry
from mailq.errors import MailqError
from workers.signboard import Lease, Signboard, boottime_s

log = telemetry.logger(__name__)


class Look(Protocol):
    """See `mailq.engine.watch.Watch`."""

    def look(self, incarnation: int) -> None:
        """Look after the worker processes of this server."""


class Take(Protocol):
    """See `mailq.engine.takeover.Takeover`."""

    def former_incarnations(self, incarnation: int) -> int:
        """Reclaim what earlier starts of this server left leased."""

    def listed(self, incarnation: int) -> int:
        """Take over the servers that this one is told to."""

    def silent(self, incarnation: int) -> int:
        """Take over every silent server."""


class Chores:
    """A thread of its own beside the renewals: however long a step of it takes, the lease is renewed in time.

    A server without a lease does nothing for others.
    """

    def __init__(
        self,
        board: Signboard,
        watch: Look,
        takeover: Take,
        *,
        lead: Callable[[], bool],
        upkeep: Callable[[], None],
        evidence: Callable[[], object] = lambda: None,
        look_every: timedelta,
        tick_every: timedelta,
    ) -> None:
        self._board = board
        self._watch = watch
        self._takeover = takeover
        self._lead = lead
        self._upkeep = upkeep
        self._evidence = evidence
        self._look_every_s = look_every.total_seconds()
        self._tick_every_s = tick_every.total_seconds()
        self._look_at_s = self._tick_at_s = 0.0
        self._news = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="chores", daemon=True)

    def start(self) -> None:
        """Begin, with a look and a tick at once."""
        self._thread.start()

    def nudge(self) -> None:
        """Look now: a worker process has died, or the board says something new."""
        self._look_at_s = 0.0
        self._news.set()

    def end(self, within_s: float) -> None:
        """Come to an end; a step that takes longer is left to die with the process."""
        self._ended = True
        self._news.set()
        self._thread.join(within_s)

    def do(self, lease: Lease) -> None:
        """Do what is due."""
        now_s = boottime_s()
        if now_s >= self._look_at_s:
            self._look_at_s = now_s + self._look_every_s
            self._try(lambda: self._watch.look(lease.incarnation), "look")
        if now_s >= self._tick_at_s:
            self._tick_at_s = now_s + self._tick_every_s
            self._try(lambda: self._takeover.former_incarnations(lease.incarnation), "former_incarnations")
            self._try(lambda: self._takeover.listed(lease.incarnation), "listed")
            self._try(self._evidence, "evidence")  # before the leader applies policies
            self._try(lambda: self._lead_and_keep(lease), "upkeep")

    def _run(self) -> None:
        while not self._ended:
            lease = self._board.lease
            if self._board.may_send(lease.incarnation):
                self.do(lease)
            due_s = min(self._look_at_s, self._tick_at_s) - boottime_s()
            self._news.wait(min(max(due_s, 0.01), self._tick_every_s))
            self._news.clear()

    def _lead_and_keep(self, lease: Lease) -> None:
        if self._lead():
            self._try(lambda: self._takeover.silent(lease.incarnation), "silent")
            self._upkeep()

    def _try(self, step: Callable[[], object], name: str) -> None:
        """An outage is logged and tried again when the step is due again; it leaves the other steps their turn."""
        try:
            step()
        except MailqError as error:
            log.warning("warden.step_failed", step=name, error=str(error))
        except Exception:
            log.exception("warden.step_failed", step=name)
