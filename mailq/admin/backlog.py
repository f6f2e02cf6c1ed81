"""What waits to be sent, lane by lane: what an autoscaler asks."""

from dataclasses import dataclass
from datetime import timedelta

from mailq.core.mailing import Lane
from mailq.store import backlog
from mailq.store.backlog import Waiting
from mailq.store.database import Transactions

__all__ = ["Backlog", "of"]


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in a lane, of all organizations: they share its workers.

    Attributes:
        num_ready, num_leased, num_waiting: batches: to be claimed, held by a worker, not due yet.
        num_pending, num_deferred: deliveries in them.
        oldest_ready_age: for how long the oldest batch that nobody works could be worked; None where none could.
        num_inbox: single messages that are not in their stream yet; `oldest_inbox_age` is how long the oldest waits.
        num_slots: worker processes that serve the lane.
    """

    lane: Lane
    num_ready: int
    num_leased: int
    num_waiting: int
    num_pending: int
    num_deferred: int
    oldest_ready_age: timedelta | None
    num_inbox: int
    oldest_inbox_age: timedelta | None
    num_slots: int


def of(database: Transactions) -> list[Backlog]:
    """What waits in each lane, the most urgent first."""
    with database.begin() as tx:
        return [_aged(each) for each in backlog.of_lanes(tx, [lane.value for lane in Lane])]


def _aged(found: Waiting) -> Backlog:
    ages = [None if since is None else max(found.now - since, timedelta(0)) for since in (found.ready_since, found.inbox_since)]
    return Backlog(
        lane=Lane(found.lane),
        num_ready=found.num_ready,
        num_leased=found.num_leased,
        num_waiting=found.num_waiting,
        num_pending=found.num_pending,
        num_deferred=found.num_deferred,
        oldest_ready_age=ages[0],
        num_inbox=found.num_inbox,
        oldest_inbox_age=ages[1],
        num_slots=found.num_slots,
    )
