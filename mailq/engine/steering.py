"""Steering: pause, resume, cancel, drop. Doing again what has been done already is no mistake."""

from collections.abc import Set as AbstractSet
from itertools import repeat

from sqlalchemy import Connection

from mailq import telemetry
from mailq.core.delivery import Skip
from mailq.core.mailing import State
from mailq.core.transitions import IllegalStep
from mailq.errors import Conflict
from mailq.store import mailings, recipients, waking
from mailq.store.database import Database, Transactions
from mailq.store.mailings import Mailing

log = telemetry.logger(__name__)

_BATCHES_PER_STEP = 10


def pause(database: Transactions, reference: str, *, organization_id: int | None = None) -> Mailing:
    """Stop sending a mailing for now; workers learn of it at their next commit.

    Args:
        organization_id: whose it must be, as all of this module take it; None is an operator, who may mean anybody's.

    Raises:
        NotFound: there is no such mailing.
        Conflict: it is not running.
    """
    return _steer(database, reference, organization_id, "pause", State.PAUSED)


def resume(database: Transactions, reference: str, *, organization_id: int | None = None) -> Mailing:
    """Go on with a paused mailing. The leader is woken, and rings for it; so may the caller.

    Raises:
        NotFound: there is no such mailing.
        Conflict: it is not paused.
    """
    return _steer(database, reference, organization_id, "resume", State.RUNNING, only_from={State.PAUSED})


def cancel(database: Transactions, reference: str, *, organization_id: int | None = None, at_once: int | None = None) -> Mailing:
    """End a mailing for good: what has not begun is skipped.

    Batches that nobody holds are cancelled here; the others by the worker that holds them, once what is on the wire is settled.

    Args:
        at_once: so many tens of batches are cancelled here, and the upkeep is woken for the rest. None is all: no producer's
            transaction and no request should hold as much as a mailing may have.

    Raises:
        NotFound: there is no such mailing.
        Conflict: it is finished or expired.
    """
    mailing = _steer(database, reference, organization_id, "cancel", State.CANCELLED)
    steps = repeat(None) if at_once is None else repeat(None, at_once)
    for _ in steps:
        if not _cancel_some(database, mailing):
            break
    return mailing


def drop(database: Database, reference: str) -> Mailing:
    """Delete a mailing that was never loaded to the end, with all that was loaded of it.

    Raises:
        NotFound: there is no such mailing.
        Conflict: it is loaded, or another process is loading it.
    """
    with database.begin() as tx:
        mailing = mailings.find(tx, reference)
    with mailings.loading(database, mailing.id) as alone:
        if not alone:
            raise Conflict(f"mailing {mailing.public_id} is being loaded by another process; end that one first")
        while _drop_some(database, mailing):
            pass
    log.info("mailing.dropped", mailing=mailing.public_id)
    return mailing


def drop_in(tx: Connection, mailing_id: int) -> Mailing:
    """Delete a mailing that has not begun, within a transaction: a draft, or one that is loaded, or waits for its time.

    Raises:
        NotFound: it is gone.
        Conflict: it has begun, or somebody is loading it.
    """
    mailing = mailings.get(tx, mailing_id, lock=True)
    if mailing.state not in {State.DRAFT, State.LOADING, State.SCHEDULED}:
        raise Conflict(f"mailing {mailing.public_id} is {mailing.state}: only one that has not begun can be deleted; cancel it")
    if not mailings.try_lock_load(tx, mailing.id):
        raise Conflict(f"mailing {mailing.public_id} is being loaded by somebody else")
    while recipients.delete_last_batches(tx, mailing.id, limit=_BATCHES_PER_STEP):
        pass
    recipients.delete_mailing(tx, mailing.id)
    log.info("mailing.dropped", mailing=mailing.public_id)
    return mailing


def _cancel_some(database: Transactions, mailing: Mailing) -> int:
    with database.begin() as tx:
        return recipients.skip_unleased(tx, mailing.id, Skip.CANCELLED, limit=_BATCHES_PER_STEP)


def _drop_some(database: Database, mailing: Mailing) -> bool:
    with database.begin() as tx:
        now = mailings.get(tx, mailing.id, lock=True)
        if now.state not in {State.DRAFT, State.LOADING}:
            raise Conflict(f"mailing {now.public_id} is {now.state}: only one that is still loading can be dropped; cancel it")
        if now.loaded_at is not None:
            raise Conflict(f"mailing {now.public_id} is loaded to its end and about to start; cancel it")
        left = recipients.delete_last_batches(tx, mailing.id, limit=_BATCHES_PER_STEP)
        if not left:
            recipients.delete_mailing(tx, mailing.id)
        return bool(left)


def _steer(
    database: Transactions,
    reference: str,
    organization_id: int | None,
    verb: str,
    to: State,
    *,
    only_from: AbstractSet[State] | None = None,
) -> Mailing:
    with database.begin() as tx:
        mailing = mailings.get(tx, mailings.find(tx, reference, organization_id=organization_id).id, lock=True)
        if mailing.state is to:
            return mailing
        try:
            if only_from is not None and mailing.state not in only_from:
                raise IllegalStep
            stepped = mailings.step(tx, mailing.id, to)
            if to is not State.PAUSED:
                waking.wake(tx)
        except IllegalStep:
            raise Conflict(f"mailing {mailing.public_id} is {mailing.state}: you cannot {verb} it") from None
    log.info("mailing.steered", mailing=stepped.public_id, before=mailing.state, after=to)
    return stepped
