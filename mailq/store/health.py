"""What a doctor asks of the database."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, text

from mailq.core.mailing import Lane
from mailq.store import servers
from mailq.store.database import Database, db_now


@dataclass(frozen=True, slots=True)
class Health:
    """A database server as it stands.

    Attributes:
        now: its clock.
        num_connections: of all users and databases of the server.
    """

    version: str
    now: datetime
    max_connections: int
    num_connections: int


def of_server(database: Database) -> Health:
    """Ask the server; works before anything is migrated.

    Raises:
        Unavailable: it does not answer.
    """
    with database.begin() as tx:
        row = tx.execute(
            select(
                func.current_setting("server_version"),
                db_now(),
                func.current_setting("max_connections"),
                select(func.count()).select_from(text("pg_stat_activity")).scalar_subquery(),
            )
        ).one()
    return Health(str(row[0]), row[1], int(row[2]), int(row[3]))


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a database server is set.

    Attributes:
        safe: of the settings without which a commit may be forgotten, whether each is on.
        autovacuum: whether tables are cleaned and analysed by themselves.
    """

    safe: Mapping[str, bool]
    autovacuum: bool
    shared_buffers_bytes: int
    max_wal_bytes: int


def tuning(database: Database) -> Tuning:
    """Ask how the server is set; works before anything is migrated.

    Raises:
        Unavailable: it does not answer.
    """
    switches = ("fsync", "synchronous_commit", "full_page_writes", "autovacuum")
    sizes = ("shared_buffers", "max_wal_size")
    with database.begin() as tx:
        row = tx.execute(
            select(
                *(func.current_setting(name) != "off" for name in switches),
                *(func.pg_size_bytes(func.current_setting(name)) for name in sizes),
            )
        ).one()
    return Tuning(dict(zip(switches[:3], row[:3], strict=True)), row[3], int(row[4]), int(row[5]))


def slots_by_lane(database: Database, *, seen_within: timedelta = timedelta(seconds=30)) -> dict[Lane, int]:
    """Worker processes per lane, on servers heard of lately."""
    with database.begin() as tx:
        return {lane: servers.slots(tx, lane.value, seen_within=seen_within) for lane in Lane}
