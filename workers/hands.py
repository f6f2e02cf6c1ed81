"""What a warden does for worker processes, its own and those of other servers: wired when the database answers for the first time."""

from dataclasses import dataclass

from mailq import bootstrap
from mailq.engine.takeover import Takeover
from mailq.engine.watch import Watch
from mailq.settings import Settings
from mailq.store.database import Database
from workers import children


@dataclass(frozen=True, slots=True)
class _Wired:
    watch: Watch
    takeover: Takeover


class Hands:
    """The warden's watch and its takeover, behind one door. Every method may raise Unavailable, and is tried again."""

    def __init__(self, settings: Settings, database: Database, *, server_id: int, main_pid: int) -> None:
        self._settings = settings
        self._database = database
        self._server_id = server_id
        self._main_pid = main_pid
        self._wired: _Wired | None = None

    def look(self, incarnation: int) -> None:
        """Look after the worker processes of this server."""
        self._parts().watch.look(incarnation)

    def former_incarnations(self, incarnation: int) -> int:
        """Reclaim what earlier starts of this server left leased; how many batches."""
        return self._parts().takeover.former_incarnations(incarnation)

    def listed(self, incarnation: int) -> int:
        """Take over the servers that this one is told to; how many batches."""
        return self._parts().takeover.listed(incarnation)

    def silent(self, incarnation: int) -> int:
        """Take over every silent server; how many batches."""
        return self._parts().takeover.silent(incarnation)

    def _parts(self) -> _Wired:
        if self._wired is None:
            self._wired = self._wire()
        return self._wired

    def _wire(self) -> _Wired:
        chosen, database = self._settings, self._database
        dispatcher, restarter = bootstrap.dispatcher(chosen, database), bootstrap.restarter(chosen, database)
        return _Wired(
            bootstrap.watch(
                chosen,
                database,
                server_id=self._server_id,
                restarter=restarter,
                dispatcher=dispatcher,
                kill=lambda pid: children.kill(pid, parent_pid=self._main_pid),
            ),
            bootstrap.takeover(chosen, database, server_id=self._server_id, restarter=restarter, dispatcher=dispatcher),
        )
