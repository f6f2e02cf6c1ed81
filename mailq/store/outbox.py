"""The outbox: a table in a producer's own database, whatever that is, of what it has committed and mailq does not have yet.

It is no part of our schema, and knows nothing that only PostgreSQL has. A message is one row. A mailing is rows of recipients and,
last, its content: the *head*, which counts them, so that a mailing is never seen without all its recipients. They share a handle.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import accumulate
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Identity,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects.mysql import LONGTEXT


class Kind(StrEnum):
    """What a row holds."""

    MESSAGE = "message"
    EMAIL = "email"
    """A message that is MIME already."""
    MAILING = "mailing"
    READY_MAILING = "ready_mailing"
    """A mailing whose recipients bring messages that are MIME already."""
    RECIPIENTS = "recipients"
    CALL = "call"


class State(StrEnum):
    """How far a row is."""

    PART = "part"
    """Recipients, which go with their head."""
    WAITING = "waiting"
    DONE = "done"
    REFUSED = "refused"


metadata = MetaData()

_HANDLE_LENGTH = 40
_RESULT_LENGTH = 64
_REASON_LENGTH = 2000
_Document = Text().with_variant(LONGTEXT(), "mysql", "mariadb")
_Moment = DateTime(timezone=True)

# Without comments on columns: not every database has them. docs/doors/outbox.md tells what they are.
outbox = Table(
    "mailq_outbox",
    metadata,
    # SQLite counts up an INTEGER only.
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), Identity(), primary_key=True),
    Column("handle", String(_HANDLE_LENGTH), nullable=False),
    Column("part", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    # In ASCII, whatever letters the producer's database can hold.
    Column("payload", _Document, nullable=False),
    Column("written_at", _Moment, nullable=False, server_default=func.current_timestamp()),
    Column("settled_at", _Moment),
    Column("result", String(_RESULT_LENGTH)),
    Column("reason", Text),
    UniqueConstraint("handle", "part", name="mailq_outbox_handle_key"),
    Index("mailq_outbox_state_idx", "state", "id"),
    sqlite_autoincrement=True,
    mysql_engine="InnoDB",
    mysql_charset="utf8mb4",
    mariadb_engine="InnoDB",
    mariadb_charset="utf8mb4",
)


@dataclass(frozen=True, slots=True)
class Head:
    """A row that can be handed over, with the parts before it."""

    id: int
    handle: str
    num_parts: int
    kind: Kind
    payload: str


@dataclass(frozen=True, slots=True)
class Part:
    """Recipients of a mailing, one JSON object a line."""

    number: int
    payload: str


def waiting(tx: Connection, *, after: int = 0, limit: int, most_chars: int) -> list[Head]:
    """The heads that nobody has handed over yet, in the order they were written. Kinds of a later version wait for its relay.

    Args:
        most_chars: so much of them all together, or one: a message may be of ten megabytes.
    """
    theirs = (outbox.c.state == State.WAITING, outbox.c.id > after, outbox.c.kind.in_(list(Kind)))
    sizes = select(outbox.c.id, func.char_length(outbox.c.payload)).where(*theirs).order_by(outbox.c.id).limit(limit)
    found = tx.execute(sizes).all()
    grown = accumulate(row[1] for row in found)
    fitting = [row[0] for row, total in zip(found, grown, strict=True) if total <= most_chars] or [row[0] for row in found[:1]]
    columns = (outbox.c.id, outbox.c.handle, outbox.c.part, outbox.c.kind, outbox.c.payload)
    statement = select(*columns).where(outbox.c.id.in_(fitting)).order_by(outbox.c.id)
    return [Head(row.id, row.handle, row.part, Kind(row.kind), row.payload) for row in tx.execute(statement)]


def num_parts(tx: Connection, handle: str) -> int:
    """How many rows of recipients there are."""
    statement = select(func.count()).where(outbox.c.handle == handle, outbox.c.state == State.PART)
    return tx.execute(statement).scalar_one()


def parts(tx: Connection, handle: str, *, first: int, limit: int) -> list[Part]:
    """Rows of recipients in order, some at a time."""
    statement = (
        select(outbox.c.part, outbox.c.payload)
        .where(outbox.c.handle == handle, outbox.c.state == State.PART, outbox.c.part >= first)
        .order_by(outbox.c.part)
        .limit(limit)
    )
    return [Part(row.part, row.payload) for row in tx.execute(statement)]


def settle(
    tx: Connection, head: Head, state: State, *, at: datetime, result: str | None = None, reason: str | None = None
) -> bool:
    """Note what became of a head; False if another relay has noted it before."""
    statement = (
        update(outbox)
        .where(outbox.c.id == head.id, outbox.c.state == State.WAITING)
        .values(state=state, settled_at=at, result=result, reason=reason and reason[:_REASON_LENGTH])
    )
    return tx.execute(statement).rowcount == 1


def forget(tx: Connection, *, before: datetime, limit: int) -> int:
    """Delete what was done before a moment, whole mailings at a time; how many heads there were."""
    old = select(outbox.c.handle).where(outbox.c.state == State.DONE, outbox.c.settled_at < before).limit(limit)
    handles = tx.execute(old).scalars().all()
    if handles:
        tx.execute(delete(outbox).where(outbox.c.handle.in_(handles)))
    return len(handles)


def counts(tx: Connection) -> dict[State, int]:
    """How many messages and mailings there are in each state."""
    found = tx.execute(select(outbox.c.state, func.count()).where(outbox.c.state != State.PART).group_by(outbox.c.state))
    numbers = {State(row[0]): int(row[1]) for row in found}
    return {state: numbers.get(state, 0) for state in (State.WAITING, State.DONE, State.REFUSED)}


class Refused(NamedTuple):
    """What mailq did not take."""

    id: int
    kind: str
    reason: str


def refused(tx: Connection, *, limit: int) -> list[Refused]:
    """The latest that were refused."""
    statement = (
        select(outbox.c.id, outbox.c.kind, outbox.c.reason)
        .where(outbox.c.state == State.REFUSED)
        .order_by(outbox.c.id.desc())
        .limit(limit)
    )
    return [Refused(row.id, row.kind, row.reason) for row in tx.execute(statement)]
