"""What a warden does besides renewing the lease: it watches the worker processes, takes over from the dead, and may lead."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from mailq import telemetry
from mailq.errors import MailqError
from mailq.store.fleet import Concerns
from workers.signboard import Lease, Signboard, boottime_s

log = telemetry.logger(__name__)


class Hands(Protocol):
    """See `workers.hands.Hands`."""

    def look(self, incarnation: int) -> None:
        """Look after the worker processes of this server."""

    def former_incarnations(self, incarnation: int) -> int:
        """Reclaim what earlier starts of this server left leased."""

    def listed(self, incarnation: int) -> int:
        """Take over the servers that this one is told to."""

    def silent(self, incarnation: int) -> int:
        """Take over every silent server."""

    def gather_evidence(self) -> None:
        """Ask whoever may know about doubts."""

    def lead(self) -> bool:
        """Take or keep the lead."""

    def keep_up(self) -> None:
        """The upkeep of the one who leads."""

    def resign(self) -> None:
        """Leave the lead to others."""


class Chores:
    """A thread of its own beside the renewals: however long a step of it takes, the lease is renewed in time.

    A server without a lease does nothing for others, and one for which there is nothing to do asks the database nothing.
    """

    def __init__(
        self,
        board: Signboard,
        hands: Hands,
        *,
        tick_every: timedelta,
        concerns: Callable[[], Concerns | None],
        name: str,
        has_list: bool = False,
    ) -> None:
        """What a warden has to do.

        Args:
            concerns: what the last renewal showed; None before the first.
            name: by which it leads.
            has_list: whether its server has a migration list, and so must look at others at every tick.
        """
        self._board = board
        self._hands = hands
        self._tick_every_s = tick_every.total_seconds()
        self._concerns = concerns
        self._name = name
        self._has_list = has_list
        self._tick_at_s = 0.0
        self._must_look = self._leads = False
        self._news = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="chores", daemon=True)

    def start(self) -> None:
        """Begin, with a tick as soon as the lease is renewed."""
        self._thread.start()

    def nudge(self) -> None:
        """Look now: the lease was just renewed while batches are held, or a worker process has died."""
        self._must_look = True
        self._news.set()

    def tick_now(self) -> None:
        """Do not wait for the next tick: there is something for the upkeep."""
        self._tick_at_s = 0.0
        self._news.set()

    @property
    def leads(self) -> bool:
        """Whether this warden led when it last asked."""
        return self._leads

    def end(self, within_s: float) -> None:
        """Come to an end; a step that takes longer is left to die with the process."""
        self._ended = True
        self._news.set()
        self._thread.join(within_s)

    def do(self, lease: Lease) -> None:
        """Do what is due, as far as the last renewal showed that there is something to do."""
        concerns = self._concerns()
        if concerns is None:
            return
        if self._must_look:
            self._must_look = False
            self._try(lambda: self._hands.look(lease.incarnation), "look")
        now_s = boottime_s()
        if now_s >= self._tick_at_s:
            self._tick_at_s = now_s + self._tick_every_s
            self._tick(lease, concerns)

    def _tick(self, lease: Lease, concerns: Concerns) -> None:
        if concerns.num_former:
            self._try(lambda: self._hands.former_incarnations(lease.incarnation), "former_incarnations")
        if self._has_list or concerns.is_given:
            self._try(lambda: self._hands.listed(lease.incarnation), "listed")
        self._try(self._hands.gather_evidence, "evidence")  # before the leader applies policies
        if self._leads or concerns.leader in {None, self._name}:
            self._try(lambda: self._lead_and_keep(lease), "upkeep")

    def _run(self) -> None:
        while not self._ended:
            lease = self._board.lease
            if self._board.may_send(lease.incarnation):
                self.do(lease)
            due_s = self._tick_at_s - boottime_s()
            self._news.wait(min(max(due_s, 0.01), self._tick_every_s))
            self._news.clear()
        if self._leads:
            self._hands.resign()

    def _lead_and_keep(self, lease: Lease) -> None:
        self._leads = self._hands.lead()
        if self._leads:
            self._try(lambda: self._hands.silent(lease.incarnation), "silent")
            self._hands.keep_up()

    def _try(self, step: Callable[[], object], name: str) -> None:
        """An outage is logged and tried again when the step is due again; it leaves the other steps their turn."""
        try:
            step()
        except MailqError as error:
            log.warning("warden.step_failed", step=name, error=str(error))
        except Exception:
            log.exception("warden.step_failed", step=name)
