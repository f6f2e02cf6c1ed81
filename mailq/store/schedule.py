"""Mailings whose hour has come: to start, or to expire."""

from sqlalchemy import Boolean, ColumnElement, Connection, func, literal_column, select, text, update

from mailq.core.mailing import State
from mailq.store import maintenance
from mailq.store.database import db_now, db_now_once
from mailq.store.tables import mailing

_UNFINISHED = [State.SCHEDULED, State.RUNNING, State.PAUSED]
_WITH_BATCHES_TO_END = text("""
SELECT DISTINCT mailing.id, mailing.state FROM batch JOIN mailing ON mailing.id = batch.mailing_id
 WHERE batch.state IN ('ready', 'waiting') AND mailing.state IN ('cancelled', 'expired')
""")


def start_due(tx: Connection) -> list[int]:
    """Run the scheduled mailings whose time has come; their ids. In maintenance none. Those that somebody has locked are left to the
    next call.
    """
    due = _unlocked(
        mailing.c.state == State.SCHEDULED, mailing.c.scheduled_at <= db_now_once(), literal_column(maintenance.NONE, Boolean)
    )
    started = update(mailing).where(due).values(state=State.RUNNING, started_at=db_now()).returning(mailing.c.id)
    return list(tx.execute(started).scalars())


def expire_due(tx: Connection) -> list[int]:
    """Mark the mailings that are past their time; their batches are ended by their holders, or by upkeep. Those that somebody has
    locked are left to the next call.
    """
    past = _unlocked(mailing.c.state.in_(_UNFINISHED), mailing.c.expires_at <= db_now_once())
    expired = update(mailing).where(past).values(state=State.EXPIRED, finished_at=func.now()).returning(mailing.c.id)
    return list(tx.execute(expired).scalars())


def with_batches_to_end(tx: Connection) -> list[tuple[int, State]]:
    """Mailings that were cancelled or have expired and still have batches that nobody holds, with their state."""
    return [(row.id, State(row.state)) for row in tx.execute(_WITH_BATCHES_TO_END)]


def _unlocked(*those: ColumnElement[bool]) -> ColumnElement[bool]:
    # A producer may have steered one in a transaction that goes on for as long as he likes.
    return mailing.c.id.in_(select(mailing.c.id).where(*those).with_for_update(skip_locked=True))
