"""Rings for ready batches: at most twice the free slots of a lane are on the way, and a finishing batch tops up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from mailq import telemetry
from mailq.core.mailing import Lane
from mailq.engine.ports import Doorbell, Ring
from mailq.errors import Unavailable
from mailq.store import installation, ringing, servers
from mailq.store.database import Transactions

log = telemetry.logger(__name__)


@dataclass(frozen=True, slots=True)
class RingPolicy:
    """How rings are dosed.

    Attributes:
        ring_again_after: a batch rung and still ready after this is rung again: its ring was lost.
        seen_within: servers silent for longer lend no slots.
        unserved: rings on the way for a lane that no server serves, so that the first one finds something.
    """

    ring_again_after: timedelta = timedelta(seconds=15)
    seen_within: timedelta = timedelta(seconds=30)
    unserved: int = 2


class Dispatcher:
    """Decides which batches to ring for. A ring is a hint: lost or repeated it costs time, never mail."""

    def __init__(self, database: Transactions, doorbell: Doorbell, policy: RingPolicy = RingPolicy()) -> None:
        self._database = database
        self._doorbell = doorbell
        self.policy = policy
        self._generation: str | None = None

    def ring_all(self) -> int:
        """Top up every lane; how many rings went out."""
        return sum(self.top_up(lane) for lane in Lane)

    def top_up(self, lane: Lane) -> int:
        """Ring for ready batches of a lane until its rings on the way are twice its slots; how many went out.

        A broker that is away is logged, not raised: upkeep rings again.
        """
        with self._database.begin() as tx:
            again = self.policy.ring_again_after
            slots = servers.slots(tx, lane, seen_within=self.policy.seen_within)
            on_the_way = ringing.outstanding(tx, lane, ring_again_after=again)
            room = (2 * slots or self.policy.unserved) - on_the_way
            chosen = ringing.choose(tx, lane, room=room, ring_again_after=again)
        return self._ring([Ring(row.id, lane, f"mailing={row.name!r} batch={row.number}/{row.num_batches}") for row in chosen])

    def take_back(self, batch_ids: Sequence[int]) -> None:
        """Forget the rings for these batches: nobody has heard them who could work, and upkeep is to ring again at its next tick.

        Otherwise they would pass for rings on the way, and be repeated only when those count as lost.
        """
        with self._database.begin() as tx:
            ringing.take_back(tx, batch_ids)

    def heed_a_flush(self) -> bool:
        """Forget all rings if the broker's data is not what it was last time; whether that was so."""
        try:
            generation = self._doorbell.generation()
        except Unavailable as error:
            log.warning("doorbell.unavailable", error=str(error))
            return False
        if generation == self._generation:
            return False
        with self._database.begin() as tx:
            flushed = installation.note_generation(tx, generation)
            if flushed:
                log.info("doorbell.flushed", batches=ringing.forget(tx))
        self._generation = generation
        return flushed

    def _ring(self, rings: list[Ring]) -> int:
        if not rings:
            return 0
        try:
            self._doorbell.ring(rings)
        except Unavailable as error:
            log.warning("doorbell.unavailable", rings=len(rings), error=str(error))
            self.take_back([ring.batch_id for ring in rings])
            return 0
        return len(rings)
