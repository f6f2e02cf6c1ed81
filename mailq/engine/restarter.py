"""Takes over what a dead worker process held: its open set is in doubt, the rest is ready for the next one."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from mailq import telemetry
from mailq.core.batch import Claim
from mailq.core.outcome import Doubt
from mailq.engine import aftermath
from mailq.errors import BooksDiffer
from mailq.store import batches, deliveries
from mailq.store.database import Database

log = telemetry.logger(__name__)

Seen = Callable[[Connection], Sequence[Claim]]

_ANY = 1 << 62


class Restarter:
    """Reclaims batches. The fence rises with each reclaim, so a process wrongly believed dead does no harm."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def former_incarnations(self, server_id: int, incarnation: int) -> int:
        """Reclaim what earlier starts of a server left leased; how many batches."""
        return self._reclaim_all(lambda tx: batches.leased_before(tx, server_id, incarnation), Doubt.WORKER_KILLED)

    def own_incarnation(self, server_id: int, incarnation: int) -> int:
        """Reclaim what this start of a server has left leased, when all its worker processes have ended; how many batches."""
        return self.former_incarnations(server_id, incarnation + 1)

    def of_server(self, server_id: int) -> int:
        """Reclaim whatever is leased to a server that was retired; how many batches."""
        return self._reclaim_all(lambda tx: batches.leased_before(tx, server_id, _ANY), Doubt.HOST_LOST)

    def dead_processes(self, server_id: int, incarnation: int) -> int:
        """Reclaim what worker processes of this start of a server held that have died; how many batches."""
        return 0

    def of_process(self, process: str) -> int:
        """Reclaim what is leased to a process of which it does not know: a claim whose reply was lost; how many batches are left
        because their rows were locked."""
        with self._database.begin() as tx:
            found = batches.leased_by_process(tx, process)
        return sum(self._try(one, Doubt.WORKER_KILLED) is False for one in found)

    def _reclaim_all(self, seen: Seen, reason: Doubt) -> int:
        with self._database.begin() as tx:
            found = seen(tx)
        return sum(self._try(one, reason) is True for one in found)

    def _try(self, seen: Claim, reason: Doubt) -> bool | None:
        """Whether it was reclaimed; None if it must not be."""
        try:
            return self._reclaim(seen, reason)
        except BooksDiffer as error:
            log.error("batch.books_differ", batch_id=seen.batch_id, fence=seen.fence, error=str(error))
            return None

    def _reclaim(self, seen: Claim, reason: Doubt) -> bool:
        with self._database.begin() as tx:
            counted = batches.seize(tx, seen)
            if counted is None:
                return False
            begun = deliveries.open_set(tx, seen, watermark=counted.watermark)
            doubt = deliveries.doubt(tx, seen, begun, reason)
            after = aftermath.of_pass(tx, seen)
            settled_pending = doubt.in_doubt + doubt.deferred
            aftermath.require_books(seen, counted.pending - settled_pending, counted.deferred + doubt.deferred, after)
            batches.reclaim(
                tx,
                seen,
                after.state,
                due_at=after.due_at,
                in_doubt=doubt.in_doubt,
                deferred=doubt.deferred + after.deferred,
                skipped=after.skipped,
            )
        log.info("batch.reclaimed", batch_id=seen.batch_id, fence=seen.fence, in_doubt=doubt.in_doubt, reason=reason)
        aftermath.finish_mailing(self._database, seen.mailing_id, after.state)
        return True
