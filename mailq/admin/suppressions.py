"""Addresses that an organization must not mail: put down, taken back, listed."""

from mailq.admin import pages
from mailq.admin.addresses import key_of
from mailq.admin.pages import Page
from mailq.core.suppression import Reason
from mailq.errors import BadInput, NotFound
from mailq.store import suppressions
from mailq.store.database import Transactions
from mailq.store.suppressions import Listed

__all__ = ["Listed", "Page", "Reason", "add", "list_", "remove"]

_LONGEST_NOTE = 1000


def add(
    database: Transactions, organization_id: int, address: str, reason: Reason = Reason.MANUAL, note: str | None = None
) -> bool:
    """Mail an address no more; False if it is suppressed already, and keeps its reason.

    Raises:
        BadInput: it is no address, or the note is none that people could read.
    """
    key = key_of(address)
    if note is not None and not (len(note) <= _LONGEST_NOTE and note.isprintable()):
        raise BadInput(f"a note is at most {_LONGEST_NOTE:,} printable characters on one line", field="note")
    with database.begin() as tx:
        return suppressions.add(tx, organization_id, key, reason, note)


def remove(database: Transactions, organization_id: int, address: str) -> None:
    """Let an address be mailed again.

    Raises:
        BadInput: it is no address.
        NotFound: it is not suppressed.
    """
    key = key_of(address)
    with database.begin() as tx:
        if not suppressions.remove(tx, organization_id, key):
            raise NotFound(f"{key} is not suppressed")


def list_(
    database: Transactions,
    organization_id: int,
    *,
    limit: int = 100,
    cursor: str | None = None,
    prefix: str = "",
    reason: Reason | None = None,
) -> Page[Listed]:
    """Suppressed addresses in their order, by bytes.

    Args:
        prefix: what an address begins with, in any case.

    Raises:
        BadInput: the page is too long, or the cursor or the prefix is none.
    """
    pages.require_limit(limit)
    for field, value in (("cursor", cursor), ("prefix", prefix)):
        if value is not None and not value.isprintable():
            raise BadInput(f"the {field} is no part of an address", field=field)
    with database.begin() as tx:
        found = suppressions.listed(
            tx, organization_id, limit=limit + 1, after=(cursor or "").lower(), prefix=prefix.lower(), reason=reason
        )
    return pages.cut(found, limit, lambda each: each.address)
