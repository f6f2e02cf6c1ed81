"""The one row about this installation of mailq."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, update

from mailq.store.database import db_now
from mailq.store.tables import installation


@dataclass(frozen=True, slots=True)
class Forgotten:
    """This database has forgotten what it had committed; nothing is sent until an operator accepts that.

    Attributes:
        since: when somebody found it, by the database's clock.
        why: what showed it.
    """

    since: datetime
    why: str


def uuid(tx: Connection) -> str:
    """The name of this life of the books: what is kept outside the database goes by it, and an accepted restore begins a new one."""
    return str(tx.exec_driver_sql("SELECT uuid::text FROM installation").scalar_one())


def secret(tx: Connection) -> str:
    """The key of this installation's Message-IDs."""
    return str(tx.execute(select(installation.c.secret)).scalar_one())


def note_generation(tx: Connection, generation: str) -> bool:
    """Remember the generation of the broker's data; whether it is another one than before."""
    known = installation.c.doorbell_generation
    statement = update(installation).where(known.is_distinct_from(generation)).values(doorbell_generation=generation)
    return tx.execute(statement).rowcount == 1


def forgotten(tx: Connection, *, lock: bool = False) -> Forgotten | None:
    """Since when nothing is sent because this database has forgotten, and what showed it; None when all is well."""
    statement = select(installation.c.behind_since, installation.c.behind_why)
    row = tx.execute(statement.with_for_update() if lock else statement).one()
    return None if row.behind_since is None else Forgotten(row.behind_since, row.behind_why or "")


def latch(tx: Connection, why: str, *, now: datetime | None = None) -> bool:
    """Stop all sending: from now on nothing can be claimed; False if it was stopped already, and the first reason stays."""
    unlatched = installation.c.behind_since.is_(None)
    return tx.execute(update(installation).where(unlatched).values(behind_since=db_now(now), behind_why=why)).rowcount == 1


def accept(tx: Connection) -> None:
    """Take the database as it is, and begin a new life of the books.

    With the new name everything that is kept outside under the old one is void at once, on every host: marks, which are ahead,
    and journals, which may be about claims that this database will make again with the same fences.
    """
    tx.execute(update(installation).values(uuid=func.gen_random_uuid(), behind_since=None, behind_why=None))
