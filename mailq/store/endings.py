"""The end of a mailing, decided in SQL: count again, lock the row, look again in the next statement."""

from sqlalchemy import Connection, and_, exists, func, select, update

from mailq.core.batch import State as BatchState
from mailq.core.mailing import State
from mailq.errors import BooksDiffer
from mailq.store import verification
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

    Looked at first without a lock, so that a thousand batches do not queue for their mailing's row. Only when the counters say
    that all is done its deliveries are counted again: once in the life of a mailing, and without a lock either. That suffices:
    when every batch is done nobody writes about its deliveries but who opens it again, in one transaction with its counters
    and its state, and the state is looked at again under the lock.

    Raises:
        BooksDiffer: the counters of a batch are not what its deliveries say. The mailing stays as it is.
    """
    if tx.execute(select(mailing.c.id).where(mailing.c.id == mailing_id, _GOING, _DONE)).one_or_none() is None:
        return False
    differing = verification.first_differing(tx, mailing_id)
    if differing is not None:
        raise BooksDiffer(f"the mailing cannot finish: the counters of {differing} are not what its deliveries say")
    tx.execute(select(mailing.c.id).where(mailing.c.id == mailing_id).with_for_update())
    statement = (
        update(mailing).where(mailing.c.id == mailing_id, _GOING, _DONE).values(state=State.FINISHED, finished_at=func.now())
    )
    return tx.execute(statement).rowcount == 1


def overlooked(tx: Connection) -> list[int]:
    """Mailings whose last batch is done but which nobody finished, because a process died in between, or because their books differ."""
    return list(tx.execute(select(mailing.c.id).where(_GOING, _DONE)).scalars())
