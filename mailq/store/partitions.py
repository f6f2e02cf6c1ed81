"""Partitions of `delivery`: one a month, cut by the month that a mailing's id carries."""

import re
from datetime import datetime

from sqlalchemy import Connection, select, text

from mailq.core.mailing import month_of
from mailq.store.database import db_now

# A delivery is updated once, in one commit with its neighbours: for that to touch no index a page must hold each of them twice,
# and the second time with a reply. Without that room the table grows to the same size, and the indexes beside it
# (docs/postgresql.md has the measurements). Vacuum does not dawdle: a month is written for some hours, and then never again.
STORAGE = "fillfactor = 45, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0"


def name_of(month: int) -> str:
    """`delivery_2026_11` for the month number of November 2026."""
    return f"delivery_{month // 12:04d}_{month % 12 + 1:02d}"


def month_in(mailing_id: int) -> int:
    """The month number that a mailing's id carries."""
    return mailing_id >> 40


def month_by_name(name: str) -> int | None:
    """The month of a partition's name; None if it is named otherwise."""
    found = re.fullmatch(r"delivery_(\d{4})_(\d\d)", name)
    return int(found[1]) * 12 + int(found[2]) - 1 if found else None


def bounds(month: int) -> tuple[int, int]:
    """The ids of a month's mailings: from the first one, up to and without the second."""
    return month << 40, (month + 1) << 40


def ensure(tx: Connection, *, months_ahead: int = 0, now: datetime | None = None) -> list[str]:
    """Make the partitions of this month and the next ones that are missing; their names.

    `months_ahead` keeps a mailing that is submitted at the turn of a month from waiting for the lock this takes.
    """
    first = month_of(tx.execute(select(db_now(now))).scalar_one())
    return [name_of(month) for month in range(first, first + months_ahead + 1) if make(tx, month)]


def make(tx: Connection, month: int) -> bool:
    """Make the partition of a month; False if there is one."""
    name = name_of(month)
    if tx.execute(text("SELECT to_regclass(:name)"), {"name": name}).scalar_one() is not None:
        return False
    # Attached, not created in place: that would wait for every reader of `delivery`, and all sending behind it.
    tx.execute(text("SET LOCAL lock_timeout = '2s'"))
    tx.execute(text(f"CREATE TABLE {name} (LIKE delivery INCLUDING ALL) WITH ({STORAGE})"))
    attach(tx, month)
    tx.execute(text("SET LOCAL lock_timeout = 0"))
    return True


def attach(tx: Connection, month: int) -> None:
    """Make a table that is as `delivery` is, and named as `name_of` says, the partition of its month."""
    first, behind = bounds(month)
    tx.execute(text(f"ALTER TABLE delivery ATTACH PARTITION {name_of(month)} FOR VALUES FROM ({first}) TO ({behind})"))
