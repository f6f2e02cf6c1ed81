"""Mailings whose hour has come: to start, or to expire."""

from sqlalchemy import ColumnElement, Connection, func, select, update

from mailq.core.batch import State as BatchState
from mailq.core.mailing import State
from mailq.store.database import db_now
from mailq.store.tables import batch, mailing

_UNFINISHED = [State.SCHEDULED, State.RUNNING, State.PAUSED]


def start_due(tx: Connection) -> list[int]:
    """Run the scheduled mailings whose time has come; their ids. Those that somebody has locked are left to the next call."""
    due = _unlocked(mailing.c.state == State.SCHEDULED, mailing.c.scheduled_at <= db_now())
    started = update(mailing).where(due).values(state=State.RUNNING, started_at=db_now()).returning(mailing.c.id)
    return list(tx.execute(started).scalars())


def expire_due(tx: Connection) -> list[int]:
    """Mark the mailings that are past their time; their batches are ended by their holders, or by upkeep. Those that somebody has
    locked are left to the next call.
    """
    past = _unlocked(mailing.c.state.in_(_UNFINISHED), mailing.c.expires_at <= db_now())
    expired = update(mailing).where(past).values(state=State.EXPIRED, finished_at=func.now()).returning(mailing.c.id)
    return list(tx.execute(expired).scalars())


def with_batches_to_end(tx: Connection) -> list[tuple[int, State]]:
    """Mailings that were cancelled or have expired and still have batches that nobody holds, with their state."""
    lying = select(batch.c.mailing_id).where(batch.c.state.in_([BatchState.READY, BatchState.WAITING])).distinct().subquery()
    statement = select(mailing.c.id, mailing.c.state).join(lying, lying.c.mailing_id == mailing.c.id)
    ended = statement.where(mailing.c.state.in_([State.CANCELLED, State.EXPIRED]))
    return [(row.id, State(row.state)) for row in tx.execute(ended)]


def _unlocked(*those: ColumnElement[bool]) -> ColumnElement[bool]:
    # A producer may have steered one in a transaction that goes on for as long as he likes.
    return mailing.c.id.in_(select(mailing.c.id).where(*those).with_for_update(skip_locked=True))
