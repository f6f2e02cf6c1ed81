"""Suppressions: put down, taken back, listed; and put down by the thousand through COPY."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as insert_or

from mailq.core.mailing import Lane
from mailq.core.suppression import Reason, stopping
from mailq.store.recipients import copy_text, told_in_words
from mailq.store.tables import suppression

_STAGE = text('CREATE TEMPORARY TABLE IF NOT EXISTS suppression_given (address text COLLATE "C" NOT NULL) ON COMMIT DROP')
_FROM_STAGE = text("""
INSERT INTO suppression (organization_id, address, reason, note)
SELECT DISTINCT CAST(:organization_id AS bigint), address, CAST(:reason AS text), CAST(:note AS text) FROM suppression_given
    ON CONFLICT DO NOTHING
""")


class Listed(NamedTuple):
    """One suppression."""

    address: str
    reason: str
    note: str | None
    created_at: datetime


def add(tx: Connection, owner: int, address: str, reason: Reason, note: str | None = None) -> bool:
    """Suppress an address for an organization; False if it is suppressed already, for whatever reason.

    Args:
        owner: the organization's id.
        address: the key of an address, as all of this module take it.
    """
    values = {"organization_id": owner, "address": address, "reason": reason, "note": note}
    return tx.execute(insert_or(suppression).values(**values).on_conflict_do_nothing()).rowcount == 1


def add_many(tx: Connection, owner: int, addresses: Iterable[str], reason: Reason, note: str | None = None) -> int:
    """The same for many; how many of them were not suppressed before."""
    tx.execute(_STAGE)
    with told_in_words():
        copy_text(tx, "COPY suppression_given FROM STDIN", "".join(f"{address}\n" for address in addresses).replace("\\", "\\\\"))
    added = tx.execute(_FROM_STAGE, {"organization_id": owner, "reason": reason, "note": note}).rowcount
    tx.execute(text("TRUNCATE suppression_given"))
    return added


def find(tx: Connection, owner: int, address: str) -> Listed | None:
    """The suppression of an address."""
    row = tx.execute(select(*(suppression.c[name] for name in Listed._fields)).where(*_of(owner, address))).one_or_none()
    return None if row is None else Listed._make(row)


def change(tx: Connection, owner: int, address: str, changed: Mapping[str, Any]) -> bool:
    """Write another `reason` or `note`; False if the address is not suppressed."""
    return tx.execute(update(suppression).where(*_of(owner, address)).values(**changed)).rowcount == 1


def remove(tx: Connection, owner: int, address: str, *, note: str | None = None) -> bool:
    """Take a suppression back; False if there is none.

    Args:
        note: only if it has this note.
    """
    noted = () if note is None else (suppression.c.note == note,)
    return tx.execute(delete(suppression).where(*_of(owner, address), *noted)).rowcount == 1


def of(tx: Connection, owner: int, addresses: Collection[str], *, lane: Lane) -> set[str]:
    """Those of these addresses that get no mail of a lane."""
    mine = (
        suppression.c.organization_id == owner,
        suppression.c.address == func.any(list(addresses)),
        suppression.c.reason.in_(stopping(lane)),
    )
    return set(tx.execute(select(suppression.c.address).where(*mine)).scalars())


def listed(
    tx: Connection, owner: int, *, limit: int, after: str = "", prefix: str = "", reason: Reason | None = None
) -> list[Listed]:
    """Suppressions in the order of their addresses.

    Args:
        after: the last address of the page before (keyset).
        prefix: what an address begins with.
    """
    statement = select(*(suppression.c[name] for name in Listed._fields)).where(
        suppression.c.organization_id == owner, suppression.c.address > after
    )
    if prefix:
        # By bytes, an address with this beginning is not less than it: the index begins there.
        begins = suppression.c.address.startswith(prefix, autoescape=True)
        statement = statement.where(suppression.c.address >= prefix, begins)
    if reason is not None:
        statement = statement.where(suppression.c.reason == reason)
    return [Listed._make(row) for row in tx.execute(statement.order_by(suppression.c.address).limit(limit))]


def _of(owner: int, address: str) -> tuple[Any, ...]:
    return suppression.c.organization_id == owner, suppression.c.address == address
