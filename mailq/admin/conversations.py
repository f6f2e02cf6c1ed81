"""Conversations of an organization: how far they are, what they lack, why one is in error."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from mailq.admin import pages
from mailq.admin.pages import Page
from mailq.core.conversation import State
from mailq.errors import NotFound
from mailq.store import call_results, calls, conversations, notifications
from mailq.store.call_results import Extracted
from mailq.store.calls import Found as Call
from mailq.store.conversations import Found
from mailq.store.database import Transactions
from mailq.store.notifications import Found as Notification

__all__ = ["Call", "Extracted", "Found", "Notification", "Page", "Shown", "State", "list_", "parts", "results", "show"]

_PAGE = 1000


class Shown(NamedTuple):
    """A conversation, and what it is wise to know of it.

    Attributes:
        missing: the first sequence codes that have not arrived, a hundred at most; None once its parts have been pruned.
        in_error: the sequence code of the part that put it into error; None if no part did.
        notifications: the answers about it as a whole, the first one first.
    """

    conversation: Found
    missing: list[int] | None
    in_error: int | None
    notifications: list[Notification]


def show(database: Transactions, organization_id: int, conversation_id: str) -> Shown:
    """How a conversation stands.

    Raises:
        NotFound: the organization has never used this id.
    """
    with database.begin() as tx:
        found = required(tx, organization_id, conversation_id)
        lacking = conversations.lacking(tx, found)
        told = notifications.of_conversation(tx, organization_id, conversation_id)
    in_error = found.num_run if found.state is State.ERROR and found.num_run else None
    return Shown(found, lacking, in_error, told)


def list_(
    database: Transactions,
    organization_id: int,
    *,
    limit: int = 50,
    cursor: str | None = None,
    states: Sequence[State] = (),
) -> Page[Found]:
    """Conversations, the newest first.

    Raises:
        BadInput: the cursor is none of this list, or the page is too long.
    """
    pages.require_limit(limit)
    with database.begin() as tx:
        last = None if cursor is None else conversations.find(tx, organization_id, cursor)
        if cursor is not None and last is None:
            raise pages.not_ours(cursor)
        before = None if last is None else last.id
        found = conversations.listed(tx, organization_id, limit=limit + 1, before=before, states=states)
    return pages.cut(found, limit, lambda each: each.conversation_id)


def parts(
    database: Transactions, organization_id: int, conversation_id: str, *, limit: int = 100, cursor: str | None = None
) -> Page[Call]:
    """The parts that have arrived and are kept, in sequence.

    Raises:
        NotFound: the organization has never used this id.
        BadInput: the cursor is none of this list, or the page is too long.
    """
    pages.require_limit(limit)
    after = 0
    if cursor is not None:
        if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= pages.SEQ_DIGITS):
            raise pages.not_ours(cursor)
        after = int(cursor)
    with database.begin() as tx:
        row = required(tx, organization_id, conversation_id).id
        found = calls.parts(tx, row, limit=limit + 1, after=after)
    return pages.cut(found, limit, lambda each: str(each.sequence_code))


def results(database: Transactions, organization_id: int, conversation_id: str) -> Iterator[Extracted]:
    """The results of all of its parts, in sequence, whatever their number.

    Raises:
        NotFound: the organization has never used this id. At once, not with the first row.
    """
    with database.begin() as tx:
        row = required(tx, organization_id, conversation_id).id
    return _results(database, row)


def required(tx: Connection, organization_id: int, conversation_id: str) -> Found:
    """A conversation that has to be there.

    Raises:
        NotFound: it is not.
    """
    found = conversations.find(tx, organization_id, conversation_id)
    if found is None:
        raise NotFound(f"there is no conversation `{conversation_id}`")
    return found


def _results(database: Transactions, row: int) -> Iterator[Extracted]:
    after = (0, 0)
    while True:
        with database.begin() as tx:
            page = call_results.of_conversation(tx, row, limit=_PAGE, after=after)
        yield from page
        if len(page) < _PAGE:
            return
        after = (page[-1].sequence_code or 0, page[-1].result.ordinal)
