"""Letting a mailing run again because something of it is to be sent: a doubt, or an error."""

from collections.abc import Callable

from sqlalchemy import Connection

from mailq.core.mailing import State
from mailq.store import mailings, waking
from mailq.store.database import moment
from mailq.store.mailings import Mailing


def reopen(tx: Connection, mailing_id: int, require_allowed: Callable[[Connection, Mailing], None]) -> Mailing:
    """Lock the mailing, whose end is decided under the same lock; let it run again if it was finished, and wake the leader.

    Batches are locked and changed before: that is the order of locks.

    Args:
        require_allowed: raises what is to be told, and so rolls all back, if nothing of it may be sent any more.
    """
    mailing = mailings.get(tx, mailing_id, lock=True)
    require_allowed(tx, mailing)
    if mailing.state is State.FINISHED:
        mailings.step(tx, mailing_id, State.RUNNING)
    waking.wake(tx)
    return mailing


def past_its_time(tx: Connection, mailing: Mailing) -> bool:
    """Whether a mailing's expiry has gone by, by the database's clock."""
    return mailing.expires_at is not None and mailing.expires_at <= moment(tx)
