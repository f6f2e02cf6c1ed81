"""Takes over other servers: those on the migration list, those that an operator gave to this one, and those that are silent."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from mailq import telemetry
from mailq.core import restart
from mailq.core.migration_list import MigrationList
from mailq.core.restart import Dead, Known, Reason
from mailq.engine.dispatcher import Dispatcher
from mailq.engine.restarter import Restarter
from mailq.store import servers
from mailq.store.database import Database

log = telemetry.logger(__name__)


@dataclass(frozen=True, slots=True)
class TakeoverPolicy:
    """Whom a server may take over.

    Attributes:
        server_id: the server that takes.
        listed: its migration list.
        failover_after: how long a server may be silent before the leader takes it over; None leaves it to the lists.
        dead: proves the death of a server whose lease still runs.
    """

    server_id: int
    listed: MigrationList
    failover_after: timedelta | None = None
    dead: Dead = lambda _: False


class Takeover:
    """Looks for batches whose server is gone, ends its lease, reclaims them and rings. Who looks in vain has changed nothing."""

    def __init__(self, database: Database, restarter: Restarter, dispatcher: Dispatcher, policy: TakeoverPolicy) -> None:
        self._database = database
        self._restarter = restarter
        self._dispatcher = dispatcher
        self._policy = policy
        self._told: set[object] = set()

    def former_incarnations(self, incarnation: int) -> int:
        """Reclaim what earlier starts of this server left leased; how many batches."""
        return self._ring_after(self._restarter.former_incarnations(self._policy.server_id, incarnation))

    def listed(self, incarnation: int) -> int:
        """Take over the servers on the migration list that are not alive, and those given to this one; how many batches."""
        me, listed = self._policy.server_id, self._policy.listed
        with self._database.begin() as tx:
            found = servers.known(tx) if listed.entries else servers.given_to(tx, me)
        takings = restart.choose(found, listed, me=me, dead=self._policy.dead)
        self._tell(found, takings.spared, incarnation)
        return self._take_all(takings.take)

    def silent(self, incarnation: int) -> int:
        """Take over every server that has been silent for too long, as the leader does; how many batches."""
        after = self._policy.failover_after
        if after is None:
            return 0
        with self._database.begin() as tx:
            found = servers.silent(tx, after)
        return self._take_all((server, Reason.SILENT) for server in found if server.id != self._policy.server_id)

    def _take_all(self, chosen: Iterable[tuple[Known, Reason]]) -> int:
        return self._ring_after(sum(self._take(server, reason) for server, reason in chosen))

    def _take(self, server: Known, reason: Reason) -> int:
        with self._database.begin() as tx:
            # What is alive by its row is dead by its lock file; for all others a renewal since we looked wins.
            retire = servers.retire if server.is_alive else servers.retire_lapsed
            retired = retire(tx, server.id, server.incarnation)
        if not retired:
            log.info("server.came_back", server=server.name, incarnation=server.incarnation)
            return 0
        taken = self._restarter.of_server(server.id, server.incarnation)
        if taken or not server.is_retired:
            log.warning("server.taken_over", server=server.name, incarnation=server.incarnation, reason=reason, batches=taken)
        return taken

    def _ring_after(self, reclaimed: int) -> int:
        if reclaimed:
            self._dispatcher.ring_all()
        return reclaimed

    def _tell(self, found: Iterable[Known], spared: Iterable[Known], incarnation: int) -> None:
        """Say once what is odd about the list: a server on it that is alive, an entry that means nobody."""
        for server in spared:
            if self._is_news((server.id, server.incarnation)):
                log.warning(
                    "server.listed_but_alive",
                    server=server.name,
                    incarnation=server.incarnation,
                    host=server.host,
                    todo="stop it, or take its batches with `mailqctl server migrate --force`",
                )
        for entry in self._policy.listed.unknown(list(found)):
            if self._is_news(entry):
                log.warning("migration_list.unknown_server", entry=entry.text, by_incarnation=incarnation)

    def _is_news(self, thing: object) -> bool:
        news = thing not in self._told
        self._told.add(thing)
        return news
