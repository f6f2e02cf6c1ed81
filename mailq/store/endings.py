"""The end of a mailing, decided in SQL: count again, lock the row, look again in the next statement."""

from sqlalchemy import Connection, select, text

from mailq.errors import BooksDiffer
from mailq.store import verification
from mailq.store.prepared import Prepared
from mailq.store.tables import mailing

_UNDONE = "SELECT FROM batch WHERE mailing_id = mailing.id AND batch.state IN ('ready', 'leased', 'waiting')"
_DIFFERING = (
    "SELECT FROM batch WHERE mailing_id = mailing.id AND num_profiles <> num_sent + num_errors + num_skipped + num_in_doubt"
)
_DONE = f"""
state IN ('running', 'paused') AND (open_until IS NULL OR open_until <= clock_timestamp())
AND NOT EXISTS ({_UNDONE}) AND NOT EXISTS ({_DIFFERING})
"""
_LOOK = Prepared("mailq_done", "bigint", f"SELECT id FROM mailing WHERE id = $1 AND {_DONE}")  # noqa: S608 - made of our own words
_FINISH = text(f"UPDATE mailing SET state = 'finished', finished_at = now() WHERE id = :id AND {_DONE}")  # noqa: S608
# The many that are not done, or are streams of this month, cost no look at their batches' counters. The offsets keep the planner from
# comparing those of all batches there are.
_OVERLOOKED = text(f"""
SELECT id FROM (SELECT id FROM mailing WHERE state IN ('running', 'paused') AND open_until IS NULL
                   AND NOT EXISTS ({_UNDONE}) OFFSET 0) AS mailing
 WHERE NOT EXISTS ({_DIFFERING} OFFSET 0)
 UNION ALL
SELECT id FROM (SELECT id FROM mailing WHERE state IN ('running', 'paused') AND open_until <= statement_timestamp()
                   AND NOT EXISTS ({_UNDONE}) OFFSET 0) AS mailing
 WHERE NOT EXISTS ({_DIFFERING} OFFSET 0)
""")  # noqa: S608


def finish_mailing(tx: Connection, mailing_id: int) -> bool:
    """Finish a mailing all of whose batches are done and whose books balance; whether it was finished now.

    Looked at first without a lock, so that a thousand batches do not queue for their mailing's row. Only when the counters say
    that all is done its deliveries are counted again: once in the life of a mailing, and without a lock either. That suffices:
    when every batch is done nobody writes about its deliveries but who opens it again, in one transaction with its counters
    and its state, and the state is looked at again under the lock.

    Raises:
        BooksDiffer: the counters of a batch are not what its deliveries say. The mailing stays as it is.
    """
    if _LOOK.execute(tx, mailing_id).one_or_none() is None:
        return False
    differing = verification.first_differing(tx, mailing_id)
    if differing is not None:
        raise BooksDiffer(f"the mailing cannot finish: the counters of {differing} are not what its deliveries say")
    # Whom a producer has locked is found among the overlooked: a worker has others to send.
    if tx.execute(select(mailing.c.id).where(mailing.c.id == mailing_id).with_for_update(skip_locked=True)).one_or_none() is None:
        return False
    return tx.execute(_FINISH, {"id": mailing_id}).rowcount == 1


def overlooked(tx: Connection) -> list[int]:
    """Mailings whose last batch is done but which nobody finished, because a process died in between, or because their books differ."""
    return list(tx.execute(_OVERLOOKED).scalars())
