"""Whether the database has what the tables say: for `mailqctl db check`, not for every start."""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import select, text

from mailq.core.mailing import month_of
from mailq.store import partitions
from mailq.store.database import Database, db_now
from mailq.store.revision import VERSION_TABLE
from mailq.store.tables import metadata

_PARTITION = "delivery_2"


def differences(database: Database) -> list[str]:
    """What differs between the database and the tables of this version, in words; nothing if all is well."""
    with database.begin() as tx:
        context = MigrationContext.configure(
            tx, opts={"version_table": VERSION_TABLE, "include_object": _is_ours, "compare_type": True}
        )
        return [_described(each) for each in compare_metadata(context, metadata)]


def months_ahead(database: Database) -> int:
    """For how many months after this one there is a partition already; -1 if even this month's is missing."""
    with database.begin() as tx:
        month = month_of(tx.execute(select(db_now())).scalar_one())
        ahead = -1
        while tx.execute(text("SELECT to_regclass(:name)"), {"name": partitions.name_of(month + ahead + 1)}).scalar_one():
            ahead += 1
    return ahead


def _is_ours(_object: object, name: str | None, kind: str, _reflected: bool, _compared_to: object) -> bool:
    return kind not in {"table", "index"} or not str(name).startswith(_PARTITION)


def _described(difference: Any) -> str:
    if isinstance(difference, list):
        return "; ".join(_described(each) for each in difference)
    what, *things = difference
    named = [str(getattr(thing, "name", thing)) for thing in things if thing is not None]
    return f"{str(what).replace('_', ' ')}: {' '.join(named)}"[:200]
