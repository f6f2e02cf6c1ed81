"""Mailings of an organization: found, listed, shown with their books and deliveries, steered."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from mailq.admin import pages
from mailq.admin.pages import Page
from mailq.core.delivery import State as DeliveryState
from mailq.core.mailing import State
from mailq.engine import naming, resending, steering
from mailq.errors import NotFound
from mailq.store import exports, mailings
from mailq.store.database import Database
from mailq.store.exports import Row
from mailq.store.mailings import Mailing, Summary

__all__ = [
    "Exported",
    "Mailing",
    "Page",
    "Row",
    "Summary",
    "cancel",
    "deliveries",
    "export",
    "find",
    "list_",
    "pause",
    "resend",
    "resume",
    "show",
]


class Exported(NamedTuple):
    """One delivery as an export has it; see `Row`. `message_id` is None until there was an attempt."""

    seq: int
    address: str
    state: str
    skip: str | None
    doubt: str | None
    attempts: int
    relay: str | None
    reply: str | None
    settled_at: datetime | None
    message_id: str | None


def find(database: Database, organization_id: int | None, reference: str) -> Mailing:
    """The mailing that is meant by a public id, the beginning of one, or a key.

    Raises:
        NotFound: the organization has no such mailing.
        Conflict: several are meant.
    """
    with database.begin() as tx:
        return mailings.find(tx, reference, organization_id=organization_id)


def list_(
    database: Database,
    organization_id: int | None,
    *,
    limit: int = 50,
    cursor: str | None = None,
    states: Sequence[State] = (),
) -> Page[Summary]:
    """Mailings with their books, the newest first.

    Raises:
        BadInput: the cursor is none of this list, or the page is too long.
    """
    pages.require_limit(limit)
    with database.begin() as tx:
        try:
            before = None if cursor is None else mailings.by_public_id(tx, cursor, organization_id=organization_id).id
        except NotFound:
            raise pages.not_ours(str(cursor)) from None
        found = mailings.summaries(tx, limit=limit + 1, before=before, states=states, organization_id=organization_id)
    return pages.cut(found, limit, lambda each: each.mailing.public_id)


def show(database: Database, organization_id: int | None, reference: str) -> Summary:
    """A mailing with its books, both of one moment.

    Raises:
        NotFound: the organization has no such mailing.
    """
    with database.begin() as tx:
        return mailings.summary(tx, mailings.find(tx, reference, organization_id=organization_id).id)


def deliveries(
    database: Database,
    organization_id: int | None,
    reference: str,
    *,
    state: DeliveryState | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> Page[Row]:
    """What became of its recipients, in the order of their numbers.

    Raises:
        NotFound: the organization has no such mailing.
        BadInput: the cursor is none of this list, or the page is too long.
    """
    pages.require_limit(limit)
    after = _seq(cursor)
    with database.begin() as tx:
        mailing = mailings.find(tx, reference, organization_id=organization_id)
        found = exports.page(tx, mailing.id, after=after, limit=limit + 1, state=state)
    return pages.cut(found, limit, lambda each: str(each.seq))


def export(
    database: Database,
    organization_id: int | None,
    reference: str,
    *,
    states: Sequence[DeliveryState] = (),
    message_id_domain: str | None = None,
) -> Iterator[Exported]:
    """What became of every recipient, streamed: the books of one moment, whatever their size.

    Args:
        states: only these; all when empty.
        message_id_domain: as the settings have it.

    Raises:
        NotFound: the organization has no such mailing. At once, not with the first row.
    """
    return _exported(database, find(database, organization_id, reference), frozenset(states), message_id_domain)


def pause(database: Database, organization_id: int | None, reference: str) -> Summary:
    """Stop sending a mailing for now; what is on the wire is settled first.

    Raises:
        NotFound: the organization has no such mailing.
        Conflict: it is not running.
    """
    return _summary(database, steering.pause(database, reference, organization_id=organization_id))


def resume(database: Database, organization_id: int | None, reference: str) -> Summary:
    """Go on with a paused mailing.

    Raises:
        NotFound: the organization has no such mailing.
        Conflict: it is not paused.
    """
    return _summary(database, steering.resume(database, reference, organization_id=organization_id))


def cancel(database: Database, organization_id: int | None, reference: str) -> Summary:
    """End a mailing for good; what has not begun is skipped: the first of it here, the rest by the upkeep.

    Raises:
        NotFound: the organization has no such mailing.
        Conflict: it is finished or expired.
    """
    return _summary(database, steering.cancel(database, reference, organization_id=organization_id, at_once=1))


def resend(
    database: Database,
    organization_id: int | None,
    reference: str,
    *,
    actor: str,
    who: Sequence[int | str] = (),
    key: str | None = None,
) -> Summary:
    """Send errors of a mailing again: those of recipients that are named by address or number, or all. See `resending.resend`.

    Raises:
        NotFound: the organization has no such mailing, or the mailing no such recipient.
        Conflict: it has not started or is over; somebody who is named is not in error, or is suppressed; or the key belongs to
            another request.
        BadInput: too many are named.
    """
    resent = resending.resend(database, reference, actor=actor, who=who, key=key, organization_id=organization_id)
    return show(database, organization_id, resent.public_id)


def _exported(database: Database, mailing: Mailing, states: frozenset[DeliveryState], domain: str | None) -> Iterator[Exported]:
    with database.begin() as tx:
        name = naming.namer(tx, mailing.id, domain)
        for row in exports.deliveries(tx, mailing.id):
            if not states or row.state in states:
                yield Exported(*row, name(row.seq) if row.attempts else None)


def _summary(database: Database, mailing: Mailing) -> Summary:
    with database.begin() as tx:
        return mailings.summary(tx, mailing.id)


def _seq(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= pages.SEQ_DIGITS):
        raise pages.not_ours(cursor)
    return int(cursor)
