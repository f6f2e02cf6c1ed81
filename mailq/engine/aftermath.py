"""How a batch is let go of, by its owner or by a reclaimer: what is left is counted in SQL and decides."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from mailq import telemetry
from mailq.core.batch import Claim, Left, State, after_pass
from mailq.core.delivery import Skip
from mailq.core.mailing import State as MailingState
from mailq.errors import BooksDiffer
from mailq.store import batches, deliveries, endings, recipients
from mailq.store.database import Transactions, moment

log = telemetry.logger(__name__)

SKIP_THE_REST = {MailingState.CANCELLED: Skip.CANCELLED, MailingState.EXPIRED: Skip.EXPIRED}
"""Mailings that ended early, and what their unsent deliveries are skipped as."""


@dataclass(frozen=True, slots=True)
class Aftermath:
    """Where a batch goes, and what to add to its counters for deliveries that are skipped because the mailing ended."""

    state: State
    due_at: datetime | None
    left: Left
    skipped: int = 0
    deferred: int = 0


def of_pass(tx: Connection, held: Claim, *, rest: timedelta | None = None) -> Aftermath:
    """Decide where a batch goes whose row the caller has locked; skips the rest of a mailing that was cancelled or expired."""
    left = deliveries.left(tx, held)
    _, mailing_state = batches.standing(tx, held)
    reason = SKIP_THE_REST.get(mailing_state)
    if reason is not None:
        skipped = recipients.skip_rest(tx, held.batch_id, reason)
        return Aftermath(State.CANCELLED, None, left, skipped=skipped, deferred=-left.deferred)
    rest_until = None if rest is None else moment(tx) + rest
    state, due_at = after_pass(left, rest_until=rest_until)
    return Aftermath(state, due_at, left)


def require_books(held: Claim, pending: int, deferred: int, after: Aftermath) -> None:
    """Refuse to let go of a batch whose counters say something else than its deliveries.

    Raises:
        BooksDiffer: they do; roll back.
    """
    counted, found = (pending, deferred), (after.left.pending, after.left.deferred)
    if counted != found:
        raise BooksDiffer(f"batch {held.batch_id}: counters say {counted}, deliveries {found} (pending, deferred)")


def finish_mailing(database: Transactions, mailing_id: int, state: State) -> bool:
    """Finish the mailing if this was its last batch; False if its books forbid it, which is logged as an alarm.

    A transaction of its own: in the one that releases, two last batches would not see each other.
    """
    if state is not State.FINISHED:
        return True
    try:
        with database.begin() as tx:
            endings.finish_mailing(tx, mailing_id)
    except BooksDiffer as error:
        log.error("mailing.books_differ", mailing_id=mailing_id, error=str(error), do="mailqctl mailing verify")
        return False
    return True
