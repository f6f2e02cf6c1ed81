"""Partitions of `delivery`: one a month, cut by the month that a mailing's id carries."""

from datetime import datetime

from sqlalchemy import Connection, select, text

from mailq.core.mailing import month_of
from mailq.store.database import db_now

# fillfactor leaves room for HOT updates; a settled mailing is vacuumed early.
_STORAGE = "fillfactor = 75, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05"


def name_of(month: int) -> str:
    """`delivery_2026_11` for the month number of November 2026."""
    return f"delivery_{month // 12:04d}_{month % 12 + 1:02d}"


def ensure(tx: Connection, *, months_ahead: int = 0, now: datetime | None = None) -> list[str]:
    """Make the partitions of this month and the next ones that are missing; their names.

    `months_ahead` keeps a mailing that is submitted at the turn of a month from waiting for the lock this takes.
    """
    first = month_of(tx.execute(select(db_now(now))).scalar_one())
    made = []
    for month in range(first, first + months_ahead + 1):
        name = name_of(month)
        if tx.execute(text("SELECT to_regclass(:name)"), {"name": name}).scalar_one() is None:
            bounds = f"FROM ({month << 40}) TO ({(month + 1) << 40})"
            # Attached, not created in place: that would wait for every reader of `delivery`, and all sending behind it.
            tx.execute(text("SET LOCAL lock_timeout = '2s'"))
            tx.execute(text(f"CREATE TABLE {name} (LIKE delivery INCLUDING ALL) WITH ({_STORAGE})"))
            tx.execute(text(f"ALTER TABLE delivery ATTACH PARTITION {name} FOR VALUES {bounds}"))
            tx.execute(text("SET LOCAL lock_timeout = 0"))
            made.append(name)
    return made
