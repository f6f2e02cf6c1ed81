"""What a watcher asks beside the books: why a mailing does not move, and what the relays said most."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, func, select, text

from mailq.core.batch import State as BatchState
from mailq.core.delivery import State as DeliveryState
from mailq.core.mailing import Lane
from mailq.store import installation, maintenance, servers
from mailq.store.database import db_now
from mailq.store.installation import Forgotten
from mailq.store.maintenance import Maintenance
from mailq.store.tables import batch, delivery

_LONGEST_COUNT = "5min"


@dataclass(frozen=True, slots=True)
class Standing:
    """How the batches of a mailing stand, and who could work them.

    Attributes:
        now: by the database's clock.
        next_due_at: when the first of its waiting batches is due.
        progressed_at: when a worker settled something last.
        slots: worker processes that serve its lane, on servers heard of lately.
        forgotten: set while nothing at all is sent, because the database has forgotten.
        maintenance: set while nothing at all is sent, because an operator has said so.
    """

    now: datetime
    num_ready: int
    num_leased: int
    num_waiting: int
    next_due_at: datetime | None
    progressed_at: datetime | None
    slots: int
    forgotten: Forgotten | None = None
    maintenance: Maintenance | None = None


class ReplyCount(NamedTuple):
    """How many deliveries ended in a state with the same reply."""

    state: str
    reply: str | None
    num: int


def standing(tx: Connection, mailing_id: int, lane: Lane, *, seen_within: timedelta = timedelta(seconds=30)) -> Standing:
    """How a mailing stands at this moment. Reads its batches only."""
    counted = {
        state: func.count().filter(batch.c.state == state) for state in (BatchState.READY, BatchState.LEASED, BatchState.WAITING)
    }
    statement = select(
        db_now().label("now"),
        *(count.label(f"num_{state}") for state, count in counted.items()),
        func.min(batch.c.due_at).label("next_due_at"),
        func.max(batch.c.progressed_at).label("progressed_at"),
    ).where(batch.c.mailing_id == mailing_id)
    row = tx.execute(statement).one()
    slots = servers.slots(tx, lane.value, seen_within=seen_within)
    forgotten, maintained = installation.forgotten(tx), maintenance.standing(tx)
    return Standing(**row._mapping, slots=slots, forgotten=forgotten, maintenance=maintained)  # noqa: SLF001 - public, says SQLAlchemy


def replies(tx: Connection, mailing_id: int, *, limit: int = 10) -> list[ReplyCount]:
    """What was said most about the deliveries that were not sent. Reads every delivery of the mailing: for a person, not a poll."""
    unsent = (DeliveryState.ERROR, DeliveryState.DEFERRED, DeliveryState.IN_DOUBT)
    what = func.coalesce(delivery.c.reply, delivery.c.doubt)
    statement = (
        select(delivery.c.state, what, func.count().label("num"))
        .where(delivery.c.mailing_id == mailing_id, delivery.c.state.in_(unsent))
        .group_by(delivery.c.state, what)
        .order_by(text("num DESC"), delivery.c.state, what)
        .limit(limit)
    )
    tx.execute(text(f"SET LOCAL statement_timeout = '{_LONGEST_COUNT}'"))
    return [ReplyCount._make(row) for row in tx.execute(statement)]
