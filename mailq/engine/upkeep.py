"""The recurring work of the leading warden. Every step tolerates two leaders, and finds for itself what there is to do."""

from collections.abc import Callable
from datetime import timedelta

from mailq import telemetry
from mailq.clock import Clock
from mailq.core.batch import State
from mailq.core.lease import LeaseTerms
from mailq.engine import doubts, pruning, sealing
from mailq.engine.aftermath import SKIP_THE_REST, finish_mailing
from mailq.engine.dispatcher import Dispatcher
from mailq.engine.later import Later
from mailq.engine.mover import Mover
from mailq.errors import MailqError
from mailq.store import agenda, batches, endings, partitions, recipients, schedule
from mailq.store.agenda import Agenda
from mailq.store.database import Transactions

log = telemetry.logger(__name__)

PARTITIONS_AHEAD = 3
PARTITIONS_EVERY_S = 600
PRUNE_EVERY_S = 3600
BATCHES_A_TICK = 200
PART_GAP = timedelta(minutes=5)
_LEASE = LeaseTerms().ttl
_monotonic = Clock().monotonic


class Upkeep:
    """One tick: what is due becomes ready, what is ready is rung for, what is over is ended.

    Args:
        doubts_wait: how old a doubt is before its mailing's policy settles it: a lease, so that evidence comes first, and
            nobody sends any more who might have.
        keep_months: whole months that are kept beside the present one; None keeps all.
        part_gap: how long a conversation waits for its next part.
    """

    def __init__(
        self,
        database: Transactions,
        dispatcher: Dispatcher,
        *,
        doubts_wait: timedelta = _LEASE,
        keep_months: int | None = None,
        part_gap: timedelta = PART_GAP,
        monotonic: Callable[[], float] = _monotonic,
    ) -> None:
        self._database = database
        self._dispatcher = dispatcher
        self._mover = Mover(database, dispatcher)
        self._doubts_wait = doubts_wait
        self._keep_months = keep_months
        self._part_gap = part_gap
        self._monotonic = monotonic
        self._not_sealed, self._not_finished = Later(monotonic), Later(monotonic)
        self._partitions_at_s = self._prune_at_s = 0.0

    def tick(self) -> Agenda:
        """Do every step once; a step that fails is logged and leaves the others their turn. What was found to do, also for others."""
        self._try(self._make_partitions)
        self._try(self._prune)
        self._try(self._dispatcher.heed_a_flush)
        found = self._look()
        if found.upkeep:
            self._do_every_step()
        return found

    def _do_every_step(self) -> None:
        # In this order: what a step makes ready is rung for at once.
        for step in (
            self._move_inbox,
            self._seal_complete,
            self._start_scheduled,
            self._expire,
            self._end_batches,
            self._apply_policies,
            self._wake_due,
            self._finish_overlooked,
            self._dispatcher.ring_all,
        ):
            self._try(step)

    def _look(self) -> Agenda:
        try:
            with self._database.begin() as tx:
                return agenda.look(tx, ring_again_after=self._dispatcher.policy.ring_again_after, part_gap=self._part_gap)
        except Exception as error:  # noqa: BLE001 - each step will say for itself what is wrong
            log.warning("upkeep.cannot_look", error=str(error))
            return Agenda(upkeep=True, calls=True, notifications=True)

    def _try(self, step: Callable[[], object]) -> None:
        try:
            step()
        except MailqError as error:
            log.warning("upkeep.step_failed", step=step.__name__, error=str(error))
        except Exception:  # a mistake in one step must not keep the others from a fleet
            log.exception("upkeep.step_failed", step=step.__name__)

    def _make_partitions(self) -> None:
        now = self._monotonic()
        if now < self._partitions_at_s:
            return
        with self._database.begin() as tx:
            made = partitions.ensure(tx, months_ahead=PARTITIONS_AHEAD)
        self._partitions_at_s = now + PARTITIONS_EVERY_S
        if made:
            log.info("upkeep.partitions_made", partitions=made)

    def _prune(self) -> None:
        now = self._monotonic()
        if self._keep_months is None or now < self._prune_at_s:
            return
        # Also what fails is tried again in an hour only: all sending waits while a drop waits for a long reader.
        self._prune_at_s = now + PRUNE_EVERY_S
        pruning.prune(self._database, before=pruning.older_than(self._database, self._keep_months), actor="retention")

    def _move_inbox(self) -> None:
        # Rung for here, because what comes next may take long.
        self._mover.move()

    def _seal_complete(self) -> None:
        sealing.seal_complete(self._database, later=self._not_sealed)

    def _start_scheduled(self) -> None:
        with self._database.begin() as tx:
            schedule.start_due(tx)

    def _expire(self) -> None:
        with self._database.begin() as tx:
            schedule.expire_due(tx)

    def _end_batches(self) -> None:
        with self._database.begin() as tx:
            ended = schedule.with_batches_to_end(tx)
        for mailing_id, state in ended:
            with self._database.begin() as tx:
                recipients.skip_unleased(tx, mailing_id, SKIP_THE_REST[state], limit=BATCHES_A_TICK)

    def _apply_policies(self) -> None:
        doubts.apply_policies(self._database, older_than=self._doubts_wait)

    def _wake_due(self) -> None:
        with self._database.begin() as tx:
            batches.wake_due(tx)

    def _finish_overlooked(self) -> None:
        with self._database.begin() as tx:
            found = endings.overlooked(tx)
        for mailing_id in self._not_finished.due(found):
            # One whose books differ is counted again, but not at every tick: it may be large.
            if not finish_mailing(self._database, mailing_id, State.FINISHED):
                self._not_finished.put_off(mailing_id)
