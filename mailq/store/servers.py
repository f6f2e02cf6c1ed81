"""Servers: one row per worker instance, one incarnation per start."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, and_, case, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from mailq.core.batch import State as BatchState
from mailq.core.lease import LeaseTerms
from mailq.core.restart import Known
from mailq.core.server import NEXT, Place, State
from mailq.store.database import db_now
from mailq.store.prepared import Prepared
from mailq.store.tables import batch, server

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


class Renewal(NamedTuple):
    """What a server learns when it renews its lease: how it stands, and how often the row was renewed."""

    state: State
    beat: int


def renew(
    tx: Connection, server_id: int, incarnation: int, *, ttl: timedelta = _TTL, now: datetime | None = None
) -> Renewal | None:
    """Renew a server's lease; None if it has run out, or if a later incarnation has replaced this one.

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
        .returning(server.c.state, server.c.beat)
    )
    found = tx.execute(statement).one_or_none()
    return None if found is None else Renewal(State(found.state), found.beat)


def step(tx: Connection, server_id: int, incarnation: int, state: State) -> None:
    """Note that a server drains, or that it has stopped: its lease is over then. A step that its state does not allow is none."""
    stopped = {"stopped_at": func.now(), "lease_until": func.least(server.c.lease_until, db_now())}
    before = [each for each in State if state in NEXT[each]]
    tx.execute(
        update(server)
        .where(server.c.id == server_id, server.c.incarnation == incarnation, server.c.state.in_(before))
        .values(state=state, renewed_at=db_now(), **(stopped if state is State.STOPPED else {}))
    )


_SLOTS = Prepared(
    "mailq_slots",
    "text, interval",
    """
SELECT coalesce(sum((slots ->> $1)::int), 0) FROM server WHERE state = 'alive' AND renewed_at > clock_timestamp() - $2
""",
)


def slots(tx: Connection, lane: str, *, seen_within: timedelta) -> int:
    """How many worker processes serve a lane, on servers heard of lately."""
    return int(str(_SLOTS.execute(tx, lane, seen_within).scalar_one()))


def known(tx: Connection, *, now: datetime | None = None) -> Sequence[Known]:
    """Every server that ever started, as it stands now."""
    return _known(tx, now)


def given_to(tx: Connection, server_id: int, *, now: datetime | None = None) -> Sequence[Known]:
    """The servers whose batches an operator gave to this one."""
    return _known(tx, now, server.c.migrate_to == server_id)


def silent(tx: Connection, after: timedelta, *, now: datetime | None = None) -> Sequence[Known]:
    """The servers that nobody has heard of for so long, whose lease has run out, and about which something is left to be done."""
    unheard = and_(server.c.renewed_at < db_now(now) - after, server.c.lease_until <= db_now(now))
    return _known(tx, now, unheard, or_(server.c.state.in_(_RENEWING), _holds_batches()))


def retire(tx: Connection, server_id: int, incarnation: int) -> bool:
    """End an incarnation, whether or not its lease still runs; whether it was still the latest one.

    The update waits for claims that share the row; whoever claims or renews after it finds that the lease is over.
    """
    return _retire(tx, server.c.id == server_id, server.c.incarnation == incarnation)


def retire_lapsed(tx: Connection, server_id: int, incarnation: int, *, now: datetime | None = None) -> bool:
    """End an incarnation that is not alive; False if it has been renewed or replaced since somebody looked."""
    over = or_(server.c.state.not_in(_RENEWING), server.c.lease_until <= db_now(now))
    return _retire(tx, server.c.id == server_id, server.c.incarnation == incarnation, over)


def migrate(tx: Connection, server_id: int, *, to: int) -> None:
    """Give the batches of a server to another one, which takes them at its next look. A start of the server ends it."""
    tx.execute(update(server).where(server.c.id == server_id).values(migrate_to=to))


_RENEWING = (State.ALIVE, State.DRAINING)


def _retire(tx: Connection, *where: ColumnElement[bool]) -> bool:
    ended = case((server.c.state.in_(_RENEWING), State.SILENT), else_=server.c.state)
    statement = update(server).where(*where).values(state=ended, lease_until=func.least(server.c.lease_until, db_now()))
    return tx.execute(statement).rowcount == 1


def _holds_batches() -> ColumnElement[bool]:
    return exists().where(batch.c.server_id == server.c.id, batch.c.state == BatchState.LEASED)


def _known(tx: Connection, now: datetime | None, *where: ColumnElement[bool]) -> Sequence[Known]:
    facts = select(
        server,
        (server.c.lease_until > db_now(now)).label("lease_runs"),
        (db_now(now) - server.c.renewed_at).label("unheard_for"),
        _holds_batches().label("holds_batches"),
    )
    return [_as_known(row) for row in tx.execute(facts.where(*where).order_by(server.c.name))]


def _as_known(row: Row[Any]) -> Known:
    return Known(
        id=row.id,
        name=row.name,
        incarnation=row.incarnation,
        state=State(row.state),
        lease_runs=row.lease_runs,
        unheard_for=row.unheard_for,
        holds_batches=row.holds_batches,
        host=row.host,
        port=row.port,
        addresses=tuple(row.addresses),
        home=row.home,
        boot_id=row.boot_id,
        lock=row.lock,
        migrate_to=row.migrate_to,
    )
