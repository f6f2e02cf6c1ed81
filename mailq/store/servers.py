"""Servers: one row per worker instance, one incarnation per start."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Integer, and_, cast, func, select, update
from sqlalchemy.dialects.postgresql import insert

from mailq.core.lease import LeaseTerms
from mailq.core.server import Place, State
from mailq.store.database import db_now
from mailq.store.tables import server

_TTL = LeaseTerms().ttl


def start(
    tx: Connection,
    name: str,
    place: Place,
    *,
    version: str,
    slots: Mapping[str, int],
    ttl: timedelta = _TTL,
    now: datetime | None = None,
) -> tuple[int, int]:
    """Record the start of a server and grant its first lease; its row's id and the incarnation it took.

    Args:
        slots: worker processes per lane.
        ttl: how long the lease holds without a renewal.
    """
    facts: dict[str, Any] = asdict(place) | {"addresses": list(place.addresses)}
    facts |= {"state": State.ALIVE, "version": version, "slots": dict(slots), "stopped_at": None, "migrate_to": None}
    lease = {"renewed_at": db_now(now), "lease_until": db_now(now) + ttl}
    first = insert(server).values(name=name, incarnation=1, beat=1, **facts, **lease)
    again = first.on_conflict_do_update(
        index_elements=[server.c.name],
        set_={
            **facts,
            **lease,
            "incarnation": server.c.incarnation + 1,
            "beat": server.c.beat + 1,
            "started_at": func.now(),
        },
    )
    row = tx.execute(again.returning(server.c.id, server.c.incarnation)).one()
    return row.id, row.incarnation


def renew(
    tx: Connection, server_id: int, incarnation: int, *, ttl: timedelta = _TTL, now: datetime | None = None
) -> State | None:
    """Renew a server's lease; its state, or None if the lease has run out or a later incarnation has replaced this one.

    A lease that ran out never revives: somebody may have taken the server's batches since, and the server must not think
    that it held them all the time.
    """
    statement = (
        update(server)
        .where(
            server.c.id == server_id,
            server.c.incarnation == incarnation,
            server.c.state.in_([State.ALIVE, State.DRAINING]),
            server.c.lease_until > db_now(now),
        )
        .values(renewed_at=db_now(now), lease_until=db_now(now) + ttl, beat=server.c.beat + 1)
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
