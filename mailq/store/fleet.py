"""The servers as a start, a warden and an operator see them: how one stands, who lives, and who should drain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, and_, case, exists, func, select, update

from mailq.core.admission import Standing
from mailq.core.batch import State as BatchState
from mailq.core.lease import LeaseTerms
from mailq.core.server import Place, State
from mailq.store.database import db_now
from mailq.store.leader import UPKEEP
from mailq.store.tables import batch, installation, leader, server

_TTL = LeaseTerms().ttl


@dataclass(frozen=True, slots=True)
class Listed:
    """A server as an operator sees it.

    Attributes:
        state: as its row has it, but `silent` once its lease has run out.
        slots: worker processes per lane.
        num_leased: batches that its worker processes hold.
    """

    standing: Standing
    state: State
    version: str
    slots: Mapping[str, int]
    num_leased: int


class Concerns(NamedTuple):
    """What a warden may have to do besides renewing.

    Attributes:
        num_leased: batches leased to its server.
        num_former: those of them that are leased to former incarnations.
        is_given: whether an operator gave another server's batches to this one.
        leader: who does the upkeep, unless that has run out.
        life: which life of the database this is: a restore that is accepted begins a new one.
        maintained_since: since when nothing is processed, because an operator has said so.
    """

    num_leased: int
    num_former: int
    is_given: bool
    leader: str | None
    life: str
    maintained_since: datetime | None = None


def standing(tx: Connection, name: str, *, now: datetime | None = None) -> Standing | None:
    """How a server stands; None if there was never one of this name. Its row is locked, so that only one start of two goes on."""
    row = tx.execute(_standing(now).where(server.c.name == name).with_for_update()).one_or_none()
    return None if row is None else _as_standing(row)


def rejoin(
    tx: Connection, server_id: int, *, lock: str, ttl: timedelta = _TTL, now: datetime | None = None
) -> tuple[int, int] | None:
    """Take the next incarnation of a server whose lease ran out, and a lease for it; the incarnation, and the row's beat.

    None if another start holds the row now, by its lock file's nonce, or if the server was stopped.
    """
    statement = (
        update(server)
        .where(server.c.id == server_id, server.c.lock == lock, server.c.state != State.STOPPED)
        .values(
            incarnation=server.c.incarnation + 1,
            beat=server.c.beat + 1,
            state=case((server.c.state == State.SILENT, State.ALIVE), else_=server.c.state),
            started_at=db_now(now),
            renewed_at=db_now(now),
            lease_until=db_now(now) + ttl,
            migrate_to=None,
        )
        .returning(server.c.incarnation, server.c.beat)
    )
    row = tx.execute(statement).one_or_none()
    return None if row is None else (row.incarnation, row.beat)


def concerns(tx: Connection, server_id: int, incarnation: int) -> Concerns:
    """What there is to do for a server's warden; asked together with the renewal, so that an idle one asks nothing else."""
    leased = and_(batch.c.server_id == server_id, batch.c.state == BatchState.LEASED)
    held = select(func.count()).where(leased).scalar_subquery()
    former = select(func.count()).where(leased, batch.c.incarnation < incarnation).scalar_subquery()
    given = exists().where(server.c.migrate_to == server_id)
    leading = select(leader.c.holder).where(leader.c.role == UPKEEP, leader.c.until > db_now()).scalar_subquery()
    of_all = (installation.c.uuid, installation.c.maintenance_since)
    return Concerns(*tx.execute(select(held, former, given, leading, *of_all)).one())


def drain(tx: Connection, server_id: int) -> bool:
    """Tell a server that lives to begin nothing new and to stop; it hears it at its next renewal. Whether it lived."""
    statement = (
        update(server)
        .where(server.c.id == server_id, server.c.state == State.ALIVE, server.c.lease_until > db_now())
        .values(state=State.DRAINING)
    )
    return tx.execute(statement).rowcount == 1


def listed(tx: Connection, name: str | None = None) -> Sequence[Listed]:
    """Every server that ever started, or the one of this name, by name."""
    held = (
        select(func.count())
        .where(batch.c.server_id == server.c.id, batch.c.state == BatchState.LEASED)
        .scalar_subquery()
        .label("num_leased")
    )
    statement = _standing(None).add_columns(held).order_by(server.c.name)
    chosen = statement if name is None else statement.where(server.c.name == name)
    return [_as_listed(row) for row in tx.execute(chosen)]


def _standing(now: datetime | None) -> Select[Any]:
    return select(server, (server.c.lease_until > db_now(now)).label("leased"))


def _as_standing(row: Row[Any]) -> Standing:
    return Standing(
        server_id=row.id,
        name=row.name,
        incarnation=row.incarnation,
        state=State(row.state),
        place=Place(row.host, row.pid, row.port, tuple(row.addresses), row.home, row.boot_id, row.lock),
        started_at=row.started_at,
        renewed_at=row.renewed_at,
        beat=row.beat,
        leased=row.leased,
    )


def _as_listed(row: Row[Any]) -> Listed:
    found = _as_standing(row)
    state = found.state if found.lives or found.state is State.STOPPED else State.SILENT
    return Listed(found, state, row.version, row.slots, row.num_leased)
