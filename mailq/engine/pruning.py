"""Pruning: months that are old enough leave the ledger, whole, unless something in them is still to be done or in doubt."""

from collections.abc import Sequence

from mailq import telemetry
from mailq.core.mailing import State
from mailq.errors import Conflict
from mailq.store import audit, mailings, pruning, recipients
from mailq.store.database import Transactions
from mailq.store.mailings import Mailing
from mailq.store.pruning import Month

log = telemetry.logger(__name__)

_MAILINGS_AT_A_TIME = 20
_BATCHES_AT_A_TIME = 10
_ENDED = frozenset({State.FINISHED, State.CANCELLED, State.EXPIRED})


def older_than(database: Transactions, months: int) -> int:
    """The first month that is kept, when so many whole months are kept beside the present one."""
    with database.begin() as tx:
        return pruning.this_month(tx) - months


def look(database: Transactions, *, before: int) -> Sequence[Month]:
    """The months that are old enough, with what forbids to drop them. The present month is never old enough."""
    with database.begin() as tx:
        return pruning.months(tx, before=min(before, pruning.this_month(tx)))


def prune(database: Transactions, *, before: int, actor: str) -> Sequence[Month]:
    """Drop the months before this one; those that were dropped, as they stood. Others may do the same beside us.

    Raises:
        Conflict: somebody is reading deliveries for long; what was not dropped is dropped by the next call.
    """
    return [month for month in look(database, before=before) if _drop(database, month, actor)]


def forget(database: Transactions, reference: str, *, actor: str) -> Mailing:
    """Delete one mailing that has ended, some batches at a time, the last ones first. If it is interrupted, call it again.

    Raises:
        NotFound: there is no such mailing.
        Conflict: it has not ended, or has deliveries in doubt.
    """
    with database.begin() as tx:
        mailing = mailings.find(tx, reference)
    while _forget_some(database, mailing, actor):
        pass
    log.info("prune.mailing_deleted", mailing=mailing.public_id)
    return mailing


def _drop(database: Transactions, month: Month, actor: str) -> bool:
    if month.kept_because is not None:
        log.warning("prune.month_kept", month=month.name, because=month.kept_because)
        return False
    while _delete_some(database, month):
        pass
    with database.begin() as tx:
        dropped = pruning.drop(tx, month.number)
        if dropped:
            facts = {"month": month.name, "num_mailings": month.num_mailings, "num_profiles": month.num_profiles}
            audit.note(tx, actor=actor, action="month.prune", details=facts)
    if dropped:
        log.info("prune.month_dropped", month=month.name, num_mailings=month.num_mailings, size_bytes=month.size_bytes)
    return dropped


def _delete_some(database: Transactions, month: Month) -> int:
    with database.begin() as tx:
        return pruning.delete_mailings(tx, month.number, limit=_MAILINGS_AT_A_TIME)


def _forget_some(database: Transactions, mailing: Mailing, actor: str) -> bool:
    with database.begin() as tx:
        now = mailings.get(tx, mailing.id, lock=True)
        if now.state not in _ENDED:
            raise Conflict(f"mailing {now.public_id} is {now.state}: only one that has ended can be pruned")
        if pruning.needed(tx, [now.id]) is not None:
            raise Conflict(f"mailing {now.public_id} has batches that have not ended, or deliveries in doubt")
        left = recipients.delete_last_batches(tx, now.id, limit=_BATCHES_AT_A_TIME)
        if not left:
            recipients.delete_mailing(tx, now.id)
            audit.note(tx, actor=actor, action="mailing.prune", mailing_id=now.id, details={"mailing": now.public_id})
        return bool(left)
