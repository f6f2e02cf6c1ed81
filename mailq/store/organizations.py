"""Organizations: who mailings, keys and suppressions belong to."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert as insert_or

from mailq.errors import NotFound
from mailq.store.tables import organization


class Organization(NamedTuple):
    """One of them."""

    id: int
    public_id: str
    name: str
    created_at: datetime


_COLUMNS = [organization.c[name] for name in Organization._fields]


def id_of(tx: Connection, name: str) -> int:
    """An organization by its name.

    Raises:
        NotFound: there is none.
    """
    found = tx.execute(select(organization.c.id).where(organization.c.name == name)).scalar_one_or_none()
    if found is None:
        raise NotFound(f"there is no organization `{name}`")
    return int(found)


def create(tx: Connection, public_id: str, name: str) -> Organization | None:
    """Make an organization; None if there is one of this name."""
    values = {"public_id": public_id, "name": name}
    made = insert_or(organization).values(values).on_conflict_do_nothing(index_elements=["name"]).returning(*_COLUMNS)
    row = tx.execute(made).one_or_none()
    return None if row is None else Organization._make(row)


def listed(tx: Connection) -> list[Organization]:
    """All of them, in the order of their names."""
    return [Organization._make(row) for row in tx.execute(select(*_COLUMNS).order_by(organization.c.name))]
