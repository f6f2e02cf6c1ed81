"""Sealing: the load of a mailing is closed. Suppressed and repeated addresses are skipped, and the mailing may be sent from now on.

Whoever has loaded a mailing from a file seals it himself. Every other producer notes that it is complete, and the leader seals it.
"""

from sqlalchemy import Connection

from mailq import telemetry
from mailq.clock import Clock
from mailq.core.mailing import Lane, State
from mailq.engine.later import Later
from mailq.errors import Conflict, MailqError, Unavailable
from mailq.store import mailings, recipients, sealing
from mailq.store.database import Transactions
from mailq.store.mailings import Mailing

log = telemetry.logger(__name__)


def seal(database: Transactions, mailing_id: int) -> Mailing:
    """Close a load in one transaction. One that is noted as complete may have been closed by the leader; that is as good.

    Raises:
        Conflict: somebody has ended the mailing while it was loaded, or has loaded it as well.
    """
    with database.begin() as tx:
        mailing = mailings.get(tx, mailing_id, lock=True)
        if mailing.state is not State.LOADING:
            if mailing.loaded_at is not None:
                return mailing
            raise Conflict(f"mailing {mailing.public_id} was {mailing.state} while it was loaded")
        return _close(tx, mailing)


def seal_complete(database: Transactions, *, later: Later | None = None) -> frozenset[Lane]:
    """Close the loads that are noted as complete, each in a transaction; the lanes of those that may be sent at once.

    What another leader is just closing is left to him. One that cannot be closed keeps no other waiting.

    Args:
        later: remembers those that cannot be closed, and which are tried again then. One for which the database goes away is not of
            them.
    """
    later = later or Later(Clock().monotonic)
    with database.begin() as tx:
        complete = sealing.complete(tx)
    lanes = (_seal_one(database, mailing_id, later) for mailing_id in later.due(complete))
    return frozenset(lane for lane in lanes if lane is not None)


def _seal_one(database: Transactions, mailing_id: int, later: Later) -> Lane | None:
    try:
        with database.begin() as tx:
            if not sealing.lock_complete(tx, mailing_id):
                return None
            sealed = _close(tx, mailings.get(tx, mailing_id))
    except MailqError as error:
        if not isinstance(error, Unavailable):
            later.put_off(mailing_id)
        log.warning("mailing.not_sealed", mailing_id=mailing_id, error=str(error))
        return None
    except Exception:  # whatever is wrong with one, the others have their turn
        later.put_off(mailing_id)
        log.exception("mailing.not_sealed", mailing_id=mailing_id)
        return None
    return sealed.lane if sealed.state is State.RUNNING else None


def _close(tx: Connection, mailing: Mailing) -> Mailing:
    found = sealing.pass_over(tx, mailing.id, num_loaded=mailing.num_loaded, lane=mailing.lane, repeats=mailing.repeats)
    left = recipients.finish_empty_batches(tx, mailing.id)
    scheduled = left and mailing.scheduled_at is not None
    sealed = mailings.step(tx, mailing.id, State.SCHEDULED if scheduled else State.RUNNING)
    if not left:
        sealed = mailings.step(tx, mailing.id, State.FINISHED)
    log.info("mailing.sealed", mailing=sealed.public_id, num_profiles=mailing.num_loaded, **found._asdict())
    return sealed
