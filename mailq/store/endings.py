"""The end of a mailing, decided in SQL: lock the row, count again in the next statement."""

from sqlalchemy import Connection, and_, exists, func, select, update

from mailq.core.batch import State as BatchState
from mailq.core.mailing import State
from mailq.store.tables import batch, mailing

_UNDONE = exists().where(
    batch.c.mailing_id == mailing.c.id, batch.c.state.in_([BatchState.READY, BatchState.LEASED, BatchState.WAITING])
)
_UNBALANCED = exists().where(
    batch.c.mailing_id == mailing.c.id,
    batch.c.num_profiles != batch.c.num_sent + batch.c.num_errors + batch.c.num_skipped + batch.c.num_in_doubt,
)
_DONE = and_(~_UNDONE, ~_UNBALANCED)
_GOING = mailing.c.state.in_([State.RUNNING, State.PAUSED])


def finish_mailing(tx: Connection, mailing_id: int) -> bool:
    """Finish a mailing all of whose batches are done and whose books balance; whether it was finished now.

    Looked at first without a lock, so that a thousand batches do not queue for their mailing's row.
    """
    if tx.execute(select(mailing.c.id).where(mailing.c.id == mailing_id, _GOING, _DONE)).one_or_none() is None:
        return False
    tx.execute(select(mailing.c.id).where(mailing.c.id == mailing_id).with_for_update())
    statement = (
        update(mailing).where(mailing.c.id == mailing_id, _GOING, _DONE).values(state=State.FINISHED, finished_at=func.now())
    )
    return tx.execute(statement).rowcount == 1


def overlooked(tx: Connection) -> list[int]:
    """Mailings whose last batch is done but which nobody finished, because a process died in between."""
    return list(tx.execute(select(mailing.c.id).where(_GOING, _DONE)).scalars())
