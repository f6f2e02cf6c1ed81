"""Watches the worker processes of a server: what a dead one held is reclaimed at once, and one that hangs is killed first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from mailq import telemetry
from mailq.engine.dispatcher import Dispatcher
from mailq.engine.ports import Journals
from mailq.engine.restarter import Restarter
from mailq.store import holdings
from mailq.store.database import Database
from mailq.store.holdings import Holding

log = telemetry.logger(__name__)

BEYOND_THE_LONGEST_WAIT = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class WatchPolicy:
    """When a worker process counts as hung, and how it is ended.

    Attributes:
        server_id: the server whose processes are watched.
        patience: a process that has settled nothing for longer hangs: a session waits no longer than that for any reply.
        boottime_s: this host's clock that nobody sets and that counts while the host sleeps.
        kill: ends a worker process of this server by its pid; whether it is dead now. It refuses what is none.
    """

    server_id: int
    patience: timedelta
    boottime_s: Callable[[], float]
    kill: Callable[[int], bool]


class Watch:
    """One look per heartbeat. Time is counted between looks that saw the database: while it is away nobody can settle anything."""

    def __init__(
        self, database: Database, restarter: Restarter, dispatcher: Dispatcher, journals: Journals, policy: WatchPolicy
    ) -> None:
        self._database = database
        self._restarter = restarter
        self._dispatcher = dispatcher
        self._journals = journals
        self._policy = policy
        self._since_s: dict[Holding, float] = {}

    def look(self, incarnation: int) -> None:
        """Reclaim what dead processes hold, kill those that hang and reclaim what they held.

        Raises:
            Unavailable: the database does not answer. Counting starts anew.
        """
        try:
            reclaimed = self._restarter.dead_processes(self._policy.server_id, incarnation)
            with self._database.begin() as tx:
                held = holdings.of_server(tx, self._policy.server_id)
        except Exception:
            self._since_s.clear()
            raise
        if self._kill_hung(held):
            reclaimed += self._restarter.dead_processes(self._policy.server_id, incarnation)
        if reclaimed:
            self._dispatcher.ring_all()

    def _kill_hung(self, held: Sequence[Holding]) -> int:
        now_s = self._policy.boottime_s()
        self._since_s = {holding: self._since_s.get(holding, now_s) for holding in held}
        patience_s = self._policy.patience.total_seconds()
        return sum(self._kill(holding) for holding, since_s in self._since_s.items() if now_s - since_s > patience_s)

    def _kill(self, hung: Holding) -> bool:
        # Without its lock nothing proves that the pid is still the process that claimed the batch.
        left = self._journals.read(hung.journal, incarnation=hung.incarnation, home=hung.home, boot_id=hung.boot_id)
        if not left.lives or not self._policy.kill(hung.pid):
            return False
        log.error("worker.hung", process=hung.process, batch_id=hung.batch_id, fence=hung.fence)
        return True
