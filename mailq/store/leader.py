"""Who leads: a lease row on the database's time. A stopped leader's connection would keep an advisory lock for ever."""

from datetime import timedelta

from sqlalchemy import Connection, or_
from sqlalchemy.dialects.postgresql import insert

from mailq.store.database import db_now
from mailq.store.tables import leader

UPKEEP = "upkeep"
"""The one role there is."""


def lead(tx: Connection, role: str, *, holder: str, ttl: timedelta) -> bool:
    """Take or renew the lead for `ttl`; whether `holder` has it now."""
    first = insert(leader).values(role=role, holder=holder, until=db_now() + ttl)
    statement = first.on_conflict_do_update(
        index_elements=[leader.c.role],
        set_={"holder": holder, "until": first.excluded.until},
        where=or_(leader.c.holder == holder, leader.c.until < db_now()),
    )
    return tx.execute(statement).rowcount == 1


def resign(tx: Connection, role: str, *, holder: str) -> None:
    """Give up the lead, so that the next one need not wait for the lease to run out."""
    tx.execute(leader.delete().where(leader.c.role == role, leader.c.holder == holder))
