"""Organizations: who mailings, keys and suppressions belong to."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, select, update
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


def webhook_secrets(tx: Connection, organization_ids: Collection[int]) -> dict[int, list[str]]:
    """What the webhooks of organizations are signed with, the oldest first."""
    statement = select(organization.c.id, organization.c.webhook_secrets).where(organization.c.id.in_(organization_ids))
    return {id_: list(secrets) for id_, secrets in tx.execute(statement)}


def add_webhook_secret(tx: Connection, organization_id: int, secret: str, *, fewer_than: int) -> bool:
    """Sign with this one too; False if there are so many already. One that is there stays where it is."""
    known = organization.c.webhook_secrets
    there = select(organization.c.id).where(organization.c.id == organization_id, known.contains([secret]))
    if tx.execute(there).one_or_none() is not None:
        return True
    added = update(organization).where(organization.c.id == organization_id, func.cardinality(known) < fewer_than)
    return tx.execute(added.values(webhook_secrets=func.array_append(known, secret))).rowcount == 1


def remove_webhook_secret(tx: Connection, organization_id: int, secret: str) -> bool:
    """Sign with this one no more; False if that was so already."""
    known = organization.c.webhook_secrets
    removed = update(organization).where(organization.c.id == organization_id, known.contains([secret]))
    return tx.execute(removed.values(webhook_secrets=func.array_remove(known, secret))).rowcount == 1
