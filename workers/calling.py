"""Runs calls, and sends the answers that they ask for: a thread for each, because a receiver may be slow, and both may be busy for long."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from mailq import telemetry
from mailq.errors import MailqError

if TYPE_CHECKING:
    from mailq.engine.calls.running import Runner
    from mailq.engine.notifier import Notifier
    from mailq.store.database import KeptConnection

log = telemetry.logger(__name__)

RETRY_S = 1.0
"""How long to wait when a step has failed: the database may be away."""
SWEEP_EVERY_S = 3600.0
"""How often to look at calls though nothing has told of any: old ones are deleted."""
GRACE = timedelta(seconds=1)
"""For what is being posted, when this process ends or leads no more."""


class Work(Protocol):
    """What a strand does. Made, used and closed by its thread."""

    def step(self, *, due: bool) -> bool:
        """Do some of it, for a second or so; whether there is more to do at once.

        Args:
            due: also what nobody has told of, because its time has come.
        """

    def close(self) -> None:
        """Let go of everything."""


class Calls:
    """Runs what may be run. Each step is one transaction, or a few."""

    def __init__(self, runner: "Runner", connection: "KeptConnection") -> None:
        """What runs calls.

        Args:
            connection: the runner's, which is closed with it.
        """
        self._runner = runner
        self._connection = connection
        self._must_sweep = False

    def step(self, *, due: bool) -> bool:
        """See `Work`."""
        self._must_sweep |= due
        more = self._runner.run_due()
        if self._must_sweep:
            self._must_sweep = self._runner.sweep()
        return more or self._must_sweep

    def close(self) -> None:
        """See `Work`."""
        self._connection.close()


class Notifications:
    """Sends what is due, by itself: what is slow stays under way from step to step."""

    def __init__(self, notifier: "Notifier") -> None:
        self._notifier = notifier

    def step(self, *, due: bool) -> bool:
        """See `Work`."""
        return self._notifier.send_due()

    def close(self) -> None:
        """See `Work`."""
        self._notifier.close(grace=GRACE)


class Strand:
    """A thread that does one kind of work while its warden leads. Whoever has nothing to do asks nobody: it sleeps until it is woken."""

    def __init__(
        self, name: str, make: Callable[[], Work], *, leads: Callable[[], bool], look_every_s: float | None = None
    ) -> None:
        """What works.

        Args:
            make: called by the thread, when there is something to do for the first time, and anew after the lead was lost.
            look_every_s: after so long it looks though nobody has woken it; None never does.
        """
        self._name = name
        self._make = make
        self._leads = leads
        self._look_every_s = look_every_s
        self._work: Work | None = None
        self._news, self._due, self._over = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self, *, due: bool = False) -> None:
        """There is something to do; `due` says that it may be something whose time has come."""
        if due:
            self._due.set()
        self._news.set()

    def ask_to_end(self) -> None:
        """Begin no further step."""
        self._over.set()
        self._news.set()

    def end(self, within_s: float) -> None:
        """Come to an end; a step that takes longer dies with the process, and is nothing done."""
        self.ask_to_end()
        self._thread.join(within_s)

    def _run(self) -> None:
        while not self._over.is_set():
            if not self._news.wait(self._look_every_s):
                self._due.set()
            self._news.clear()
            while self._may_go_on() and not self._all_done():
                pass
            if not self._may_go_on():
                self._let_go()

    def _may_go_on(self) -> bool:
        return self._leads() and not self._over.is_set()

    def _all_done(self) -> bool:
        """Do a step; whether there is nothing more. One that fails is done again a little later, whoever woke us for it."""
        if due := self._due.is_set():
            self._due.clear()
        try:
            self._work = self._work or self._make()
            return not self._work.step(due=due)
        except MailqError as error:
            log.warning("warden.step_failed", step=self._name, error=str(error))
        except Exception:
            log.exception("warden.step_failed", step=self._name)
        if due:
            self._due.set()
        self._over.wait(RETRY_S)
        return False

    def _let_go(self) -> None:
        work, self._work = self._work, None
        if work is None:
            return
        try:
            work.close()
        except MailqError as error:
            log.warning("warden.step_failed", step=self._name, error=str(error))
        except Exception:
            log.exception("warden.step_failed", step=self._name)
