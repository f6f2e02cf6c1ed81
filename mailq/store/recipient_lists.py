"""Recipient lists: subscribers and addresses under the key of their producer. Whoever changes who is on one holds its row."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as insert_or

from mailq.store.call_tables import recipient_list, recipient_list_member

_AT_A_TIME = 10_000


@dataclass(frozen=True, slots=True)
class RecipientList:
    """A list as its row has it."""

    id: int
    customer_key: str
    name: str
    created_at: datetime
    updated_at: datetime


class Member(NamedTuple):
    """Somebody on a list: a subscriber, or an address in its normal form.

    Attributes:
        variables: as JSON.
    """

    subscriber_id: int | None
    address: str | None
    variables: str


class Put(NamedTuple):
    """How many were put in, and how many were there and have other variables now."""

    num_added: int
    num_changed: int


_SHOWN = [recipient_list.c[name] for name in RecipientList.__slots__]


def create(tx: Connection, organization_id: int, customer_key: str, name: str) -> int | None:
    """Make an empty list; its inner id, or None if the organization has one of this key already."""
    statement = insert_or(recipient_list).values(organization_id=organization_id, customer_key=customer_key, name=name)
    made: int | None = tx.execute(statement.on_conflict_do_nothing().returning(recipient_list.c.id)).scalar_one_or_none()
    return made


def by_key(
    tx: Connection, organization_id: int, customer_key: str, *, lock: bool = False, keep: bool = False
) -> RecipientList | None:
    """The list of a key.

    Args:
        lock: its row is held until the end of the transaction, by nobody else.
        keep: nobody changes it before the end of the transaction.
    """
    mine = (recipient_list.c.organization_id == organization_id, recipient_list.c.customer_key == customer_key)
    statement = select(*_SHOWN).where(*mine)
    if lock or keep:
        statement = statement.with_for_update(read=keep)
    row = tx.execute(statement).one_or_none()
    return None if row is None else RecipientList(*row)


def num_members(tx: Connection, list_id: int) -> int:
    """How many are on it, whatever their status."""
    statement = select(func.count()).where(recipient_list_member.c.recipient_list_id == list_id)
    return int(tx.execute(statement).scalar_one())


def note_changed(tx: Connection, list_id: int, *, name: str | None = None) -> None:
    """Note that it has changed just now; perhaps its name."""
    values: dict[str, Any] = {"updated_at": func.clock_timestamp()} | ({} if name is None else {"name": name})
    tx.execute(update(recipient_list).where(recipient_list.c.id == list_id).values(**values))


# Compared by bytes an address is lowered as ASCII, as the index has it.
_GIVEN = """
  FROM unnest(CAST(:subscriber_ids AS bigint[]), CAST(:addresses AS text[]), CAST(:variables AS jsonb[]))
  WITH ORDINALITY AS given (subscriber_id, address, variables, place)
"""
_SAME = "member.recipient_list_id = :list_id AND member.subscriber_id = given.subscriber_id"
_SAME_ADDRESS = 'member.recipient_list_id = :list_id AND lower(member.address) = lower(given.address COLLATE "C")'
_CHANGE = [
    text(f"UPDATE recipient_list_member AS member SET variables = given.variables {_GIVEN} WHERE {_SAME}"),  # noqa: S608 - our own words
    text(
        f"UPDATE recipient_list_member AS member SET variables = given.variables, address = given.address"  # noqa: S608 - our own words
        f" {_GIVEN} WHERE {_SAME_ADDRESS}"
    ),
]
_ADD = text(f"""
INSERT INTO recipient_list_member (recipient_list_id, subscriber_id, address, variables)
SELECT :list_id, given.subscriber_id, given.address, given.variables {_GIVEN}
 WHERE NOT EXISTS (SELECT FROM recipient_list_member AS member WHERE {_SAME})
   AND NOT EXISTS (SELECT FROM recipient_list_member AS member WHERE {_SAME_ADDRESS})
 ORDER BY given.place
""")  # noqa: S608 - made of our own words


def put(tx: Connection, list_id: int, members: Sequence[Member]) -> Put:
    """Put members in behind those that are there; who is there gets the variables. For a list whose row the caller holds."""
    if not members:
        return Put(0, 0)
    given = {
        "list_id": list_id,
        "subscriber_ids": [each.subscriber_id for each in members],
        "addresses": [each.address for each in members],
        "variables": [each.variables for each in members],
    }
    changed = sum(tx.execute(statement, given).rowcount for statement in _CHANGE)
    return Put(tx.execute(_ADD, given).rowcount, changed)


def take_off(tx: Connection, list_id: int, *, subscriber_keys: Sequence[str], addresses: Sequence[str]) -> int:
    """Take members off; how many were on it. For a list whose row the caller holds."""
    facts = {"list_id": list_id, "customer_keys": list(subscriber_keys), "addresses": list(addresses)}
    return sum(tx.execute(statement, facts).rowcount for statement in _TAKE_OFF)


_TAKE_OFF = [
    text("""
DELETE FROM recipient_list_member AS member
 USING subscriber
 WHERE member.recipient_list_id = :list_id AND subscriber.id = member.subscriber_id
   AND subscriber.customer_key = ANY(CAST(:customer_keys AS text[]))
"""),
    text("""
DELETE FROM recipient_list_member
 WHERE recipient_list_id = :list_id
   AND lower(address) IN (SELECT lower(given COLLATE "C") FROM unnest(CAST(:addresses AS text[])) AS given)
"""),
]


def remove(tx: Connection, list_id: int) -> None:
    """Delete a list whose row the caller holds, with who is on it."""
    of_list = recipient_list_member.c.recipient_list_id == list_id
    while True:
        some = select(recipient_list_member.c.id).where(of_list).limit(_AT_A_TIME).scalar_subquery()
        if tx.execute(delete(recipient_list_member).where(recipient_list_member.c.id.in_(some))).rowcount < _AT_A_TIME:
            break
    tx.execute(delete(recipient_list).where(recipient_list.c.id == list_id))
