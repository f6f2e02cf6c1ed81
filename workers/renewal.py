"""Renews a server's lease, and takes a new incarnation when it has run out."""

from typing import Protocol

from mailq import telemetry
from mailq.core.lease import LeaseTerms
from mailq.core.server import State
from mailq.errors import Unavailable
from mailq.settings import Settings
from mailq.store import fleet, servers
from mailq.store.database import Transactions
from mailq.store.fleet import Concerns
from workers.signboard import Lease, Signboard, boottime_s

log = telemetry.logger(__name__)

MISSED_PULSES = 3
"""A main process that has shown no life for so many heartbeats gets no renewal."""

RETRY_SHARE = 5
"""After a failure the next try comes within this share of a heartbeat."""


class Marks(Protocol):
    """See `workers.marking.Marking`."""

    def granted(self, beat: int, *, before: int, life: str | None = None) -> None:
        """Take note of a renewal in this life of the database, before anybody acts on it."""

    def replaced(self) -> None:
        """Look why the row of this server is not its own any more."""


class Renewal:
    """One server's lease. Its board is what the sessions see of it; `concerns` is what the last renewal showed there is to do.

    Every deadline is counted from before the renewal was sent: the database may have granted it at any moment since.
    """

    def __init__(
        self,
        database: Transactions,
        board: Signboard,
        terms: LeaseTerms,
        *,
        server_id: int,
        lock: str,
        marks: Marks,
    ) -> None:
        """What renews the lease of a server.

        Args:
            lock: the nonce of its lock file: while the row names it, the row is this server's.
            marks: told of every acknowledged renewal.
        """
        self._database = database
        self._board = board
        self._terms = terms
        self._server_id = server_id
        self._lock = lock
        self._marks = marks
        self.concerns: Concerns | None = None

    def beat(self) -> bool:
        """Renew once, if the main process shows life; whether all is well, so that the next heartbeat is soon enough."""
        still_s = boottime_s() - self._board.main_seen_s
        if still_s > MISSED_PULSES * self._terms.heartbeat.total_seconds():
            log.warning("server.main_process_stands_still", server_id=self._server_id, for_s=round(still_s, 1))
            return False
        try:
            self._renew()
        except Unavailable as error:
            log.warning("lease.not_renewed", server_id=self._server_id, error=str(error))
            return False
        except Exception:
            log.exception("lease.not_renewed", server_id=self._server_id)
            return False
        return True

    def _renew(self) -> None:
        incarnation = self._board.lease.incarnation
        asked_at = boottime_s()
        with self._database.begin() as tx:
            if self._board.says_stop:
                servers.step(tx, self._server_id, incarnation, State.DRAINING)
            renewed = servers.renew(tx, self._server_id, incarnation, ttl=self._terms.ttl)
            concerns = fleet.concerns(tx, self._server_id, incarnation)
        if renewed is None:
            self._rejoin(incarnation)
            return
        self._grant(Lease(incarnation, self._terms.deadline_s(asked_at), renewed.beat), concerns)
        if renewed.state is State.DRAINING and not self._board.says_stop:
            log.info("server.told_to_drain", server_id=self._server_id, incarnation=incarnation)
            self._board.say_stop()

    def _rejoin(self, former: int) -> None:
        """Go on under a new incarnation: whatever the former one held may be somebody else's by now."""
        if self._board.says_stop:
            return
        asked_at = boottime_s()
        with self._database.begin() as tx:
            taken = fleet.rejoin(tx, self._server_id, lock=self._lock, ttl=self._terms.ttl)
            concerns = fleet.concerns(tx, self._server_id, taken[0] if taken else former)
        if taken is None:
            self._marks.replaced()
            log.error("server.replaced", server_id=self._server_id, incarnation=former, todo="give every server an id of its own")
            self._board.say_stop()
            return
        incarnation, beat = taken
        log.warning("server.rejoined", server_id=self._server_id, former=former, incarnation=incarnation)
        self._grant(Lease(incarnation, self._terms.deadline_s(asked_at), beat), concerns)

    def _grant(self, lease: Lease, concerns: Concerns) -> None:
        # Worker processes compare what they claim with the beat that the board shows.
        self._marks.granted(lease.beat, before=self._board.lease.beat, life=concerns.life)
        self._board.grant(lease)
        self._tell_of_maintenance(concerns)
        self.concerns = concerns

    def _tell_of_maintenance(self, concerns: Concerns) -> None:
        before = self.concerns.maintained_since if self.concerns is not None else None
        if concerns.maintained_since is not None and before is None:
            log.warning("maintenance.on", since=concerns.maintained_since, do="mailqctl maintenance off")
        elif concerns.maintained_since is None and before is not None:
            log.warning("maintenance.off", since=before)


def lease_terms(settings: Settings) -> LeaseTerms:
    """The spans of this server's lease."""
    return LeaseTerms(settings.lease.ttl, settings.lease.heartbeat, settings.lease.margin)
