"""Servers: one row per worker instance, one incarnation per start."""

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import Connection, Integer, and_, cast, func, select, update
from sqlalchemy.dialects.postgresql import insert

from mailq.core.server import State
from mailq.store.database import db_now
from mailq.store.tables import server


def start(tx: Connection, name: str, *, host: str, pid: int, version: str, slots: Mapping[str, int]) -> tuple[int, int]:
    """Record the start of a server; its row's id and the incarnation it took. `slots` counts worker processes per lane."""
    facts = {"state": State.ALIVE, "host": host, "pid": pid, "version": version, "slots": dict(slots), "stopped_at": None}
    first = insert(server).values(name=name, incarnation=1, **facts)
    again = first.on_conflict_do_update(
        index_elements=[server.c.name],
        set_={**facts, "incarnation": server.c.incarnation + 1, "started_at": func.now(), "renewed_at": func.now()},
    )
    row = tx.execute(again.returning(server.c.id, server.c.incarnation)).one()
    return row.id, row.incarnation


def renew(tx: Connection, server_id: int, incarnation: int) -> State | None:
    """Say that a server lives; its state, or None if a later incarnation has replaced this one."""
    statement = (
        update(server)
        .where(server.c.id == server_id, server.c.incarnation == incarnation, server.c.state != State.STOPPED)
        .values(renewed_at=db_now())
        .returning(server.c.state)
    )
    found = tx.execute(statement).scalar_one_or_none()
    return None if found is None else State(found)


def step(tx: Connection, server_id: int, incarnation: int, state: State) -> None:
    """Note that a server drains or has stopped."""
    stopped_at = func.now() if state is State.STOPPED else None
    tx.execute(
        update(server)
        .where(server.c.id == server_id, server.c.incarnation == incarnation)
        .values(state=state, renewed_at=db_now(), stopped_at=stopped_at)
    )


def slots(tx: Connection, lane: str, *, seen_within: timedelta) -> int:
    """How many worker processes serve a lane, on servers heard of lately."""
    recent = and_(server.c.state == State.ALIVE, server.c.renewed_at > db_now() - seen_within)
    total = func.coalesce(func.sum(cast(server.c.slots[lane].astext, Integer)), 0)
    return int(tx.execute(select(total).where(recent)).scalar_one())
