"""Subscribers: an address with attributes, by its producer's own key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or

from mailq.core.subscriber import Status
from mailq.store.call_tables import subscriber


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A subscriber as its row has it."""

    id: int
    customer_key: str
    address: str
    attributes: Mapping[str, Any]
    status: Status
    created_at: datetime
    updated_at: datetime


_SHOWN = [subscriber.c[name] for name in Subscriber.__slots__]


def create(
    tx: Connection, organization_id: int, customer_key: str, *, address: str, attributes: Mapping[str, Any], status: Status
) -> bool:
    """Make one; False if the organization has one of this key already."""
    values = {"address": address, "attributes": dict(attributes), "status": status}
    statement = insert_or(subscriber).values(organization_id=organization_id, customer_key=customer_key, **values)
    # By what it returns: not every driver counts rows behind a RETURNING, which there is for the identity anyway.
    return tx.execute(statement.on_conflict_do_nothing().returning(subscriber.c.id)).one_or_none() is not None


def by_key(tx: Connection, organization_id: int, customer_key: str, *, lock: bool = False) -> Subscriber | None:
    """The subscriber of a key; with `lock` its row is held until the end of the transaction."""
    statement = select(*_SHOWN).where(*_mine(organization_id), subscriber.c.customer_key == customer_key)
    row = tx.execute(statement.with_for_update() if lock else statement).one_or_none()
    return None if row is None else _subscriber(row)


def ids_of(tx: Connection, organization_id: int, customer_keys: Sequence[str]) -> dict[str, int]:
    """Subscribers by their keys, as far as there are some. Nobody deletes them before the end of the transaction."""
    statement = (
        select(subscriber.c.customer_key, subscriber.c.id)
        .where(*_mine(organization_id), subscriber.c.customer_key == func.any(list(customer_keys)))
        .order_by(subscriber.c.id)
        .with_for_update(read=True, key_share=True)
    )
    return {row.customer_key: row.id for row in tx.execute(statement)}


def change(tx: Connection, subscriber_id: int, *, address: str, attributes: Mapping[str, Any], status: Status) -> None:
    """Write what one is from now on."""
    values = {"address": address, "attributes": dict(attributes), "status": status, "updated_at": func.clock_timestamp()}
    tx.execute(update(subscriber).where(subscriber.c.id == subscriber_id).values(**values))


def remove(tx: Connection, organization_id: int, customer_key: str) -> bool:
    """Delete one, also from all lists; False if there is none."""
    statement = delete(subscriber).where(*_mine(organization_id), subscriber.c.customer_key == customer_key)
    return tx.execute(statement).rowcount == 1


def of_status(tx: Connection, organization_id: int, address: str, status: Status) -> str | None:
    """The key of a subscriber with this address, in whatever case, who has this status."""
    same = func.lower(subscriber.c.address) == func.lower(address)
    statement = select(subscriber.c.customer_key).where(*_mine(organization_id), same, subscriber.c.status == status)
    found: str | None = tx.execute(statement.order_by(subscriber.c.id).limit(1)).scalar_one_or_none()
    return found


def _mine(organization_id: int) -> tuple[Any, ...]:
    return (subscriber.c.organization_id == organization_id,)


def _subscriber(row: Row[Any]) -> Subscriber:
    values = {name: getattr(row, name) for name in Subscriber.__slots__}
    return Subscriber(**values | {"status": Status(row.status)})
