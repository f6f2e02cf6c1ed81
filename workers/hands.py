"""What a warden does for worker processes, its own and those of other servers: wired by the thread that needs it, when the database
answers for the first time."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from mailq import telemetry
from mailq.errors import MailqError
from mailq.settings import Settings
from mailq.store import leader
from mailq.store.agenda import Agenda
from mailq.store.database import Database
from workers import children

if TYPE_CHECKING:
    from mailq.engine.takeover import Takeover
    from mailq.engine.upkeep import Upkeep
    from mailq.engine.watch import Watch

log = telemetry.logger(__name__)

LEAD_FOR_TICKS = 5


class Hands:
    """The warden's watch, takeover, evidence and upkeep, behind one door. Every method may raise Unavailable, and is tried again."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        *,
        server_id: int,
        main_pid: int,
        name: str,
        found: Callable[[Agenda], None] = lambda _: None,
    ) -> None:
        """What a warden works with.

        Args:
            name: by which it leads.
            found: hears what the upkeep has found to do, also for others; takes no time.
        """
        self._settings = settings
        self._database = database
        self._server_id = server_id
        self._main_pid = main_pid
        self._name = name
        self._found = found

    def look(self, incarnation: int) -> None:
        """Look after the worker processes of this server."""
        self._watch.look(incarnation)

    def former_incarnations(self, incarnation: int) -> int:
        """Reclaim what earlier starts of this server left leased; how many batches."""
        return self._takeover.former_incarnations(incarnation)

    def listed(self, incarnation: int) -> int:
        """Take over the servers that this one is told to; how many batches."""
        return self._takeover.listed(incarnation)

    def silent(self, incarnation: int) -> int:
        """Take over every silent server; how many batches."""
        return self._takeover.silent(incarnation)

    def gather_evidence(self) -> None:
        """Ask the log of this host's Postfix about doubts, if there is one."""
        if self._settings.doubt.postfix_log is not None:
            self._evidence()

    def lead(self) -> bool:
        """Take or keep the lead; whether this warden has it."""
        with self._database.begin() as tx:
            return leader.lead(tx, leader.UPKEEP, holder=self._name, ttl=self._settings.upkeep.every * LEAD_FOR_TICKS)

    def keep_up(self) -> None:
        """The upkeep of the one who leads."""
        self._found(self._upkeep.tick())

    def resign(self) -> None:
        """Leave the lead to others at once."""
        try:
            with self._database.begin() as tx:
                leader.resign(tx, leader.UPKEEP, holder=self._name)
        except MailqError as error:
            log.warning("warden.resign_failed", error=str(error))

    @cached_property
    def _watch(self) -> "Watch":
        from mailq import bootstrap

        chosen, database = self._settings, self._database
        return bootstrap.watch(
            chosen,
            database,
            server_id=self._server_id,
            restarter=bootstrap.restarter(chosen, database),
            dispatcher=bootstrap.dispatcher(chosen, database),
            kill=lambda pid: children.kill(pid, parent_pid=self._main_pid),
        )

    @cached_property
    def _takeover(self) -> "Takeover":
        from mailq import bootstrap

        chosen, database = self._settings, self._database
        restarter, dispatcher = bootstrap.restarter(chosen, database), bootstrap.dispatcher(chosen, database)
        return bootstrap.takeover(chosen, database, server_id=self._server_id, restarter=restarter, dispatcher=dispatcher)

    @cached_property
    def _upkeep(self) -> "Upkeep":
        from mailq import bootstrap

        return bootstrap.upkeep(self._settings, self._database)

    @cached_property
    def _evidence(self) -> Callable[[], object]:
        from mailq import bootstrap
        from mailq.transports.postfix_log import PostfixLog

        log_file = self._settings.doubt.postfix_log
        assert log_file is not None
        return bootstrap.evidence(self._settings, self._database, PostfixLog(log_file)).gather
