"""Maintenance: while it lasts everything is accepted and nothing is processed. A mark in the one row about the installation."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from mailq.store.database import db_now
from mailq.store.tables import installation

NONE = "(SELECT maintenance_since FROM installation) IS NULL"
"""A condition for statements that take up work; read once for each of them."""


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Nothing is processed until an operator ends it.

    Attributes:
        since: by the database's clock.
        by: who has begun it.
    """

    since: datetime
    by: str
    why: str | None

    def __str__(self) -> str:
        reason = f": {self.why}" if self.why else ""
        return f"maintenance since {self.since:%Y-%m-%d %H:%M:%S} UTC, begun by {self.by}{reason}"


def standing(tx: Connection, *, lock: bool = False) -> Maintenance | None:
    """Since when nothing is processed, by whose word and why; None when all is as ever."""
    statement = select(installation.c.maintenance_since, installation.c.maintenance_by, installation.c.maintenance_why)
    row = tx.execute(statement.with_for_update() if lock else statement).one()
    return None if row.maintenance_since is None else Maintenance(*row)


def begin(tx: Connection, *, by: str, why: str | None, now: datetime | None = None) -> bool:
    """Process nothing from now on; False if that was so already, and what was said first stays."""
    begun = update(installation).where(installation.c.maintenance_since.is_(None))
    return tx.execute(begun.values(maintenance_since=db_now(now), maintenance_by=by, maintenance_why=why)).rowcount == 1


def end(tx: Connection) -> None:
    """Go on."""
    tx.execute(update(installation).values(maintenance_since=None, maintenance_by=None, maintenance_why=None))
