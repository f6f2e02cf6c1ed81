"""The schema's revision: does it fit this version of mailq? Asked at every start, so it does not wait for alembic."""

from dataclasses import dataclass

from sqlalchemy import Connection, column, select, table, text

from mailq.errors import Misconfigured
from mailq.store.database import Database

HEAD = "0006"
"""The last of `migrations/versions`; a test holds the two equal. Revisions are numbers of four digits, so later is greater."""

VERSION_TABLE = "schema_revision"


@dataclass(frozen=True, slots=True)
class Revision:
    """Where a database's schema stands, against what this version of mailq needs."""

    current: str | None
    wanted: str = HEAD

    @property
    def up_to_date(self) -> bool:
        """Whether this version of mailq can work on it."""
        return self.current == self.wanted


def revision(database: Database) -> Revision:
    """The schema's revision as it is."""
    with database.begin() as tx:
        return read(tx)


def read(tx: Connection) -> Revision:
    """The schema's revision as a transaction sees it."""
    if tx.execute(text("SELECT to_regclass(:name)"), {"name": VERSION_TABLE}).scalar_one() is None:
        return Revision(None)
    return Revision(tx.execute(select(column("version_num")).select_from(table(VERSION_TABLE))).scalar_one_or_none())


def require_up_to_date(database: Database) -> None:
    """Refuse a database whose schema does not fit this version of mailq.

    Raises:
        Misconfigured: it is not migrated, behind, or ahead.
        Unavailable: it does not answer.
    """
    found = revision(database)
    refuse_the_future(found)
    if not found.up_to_date:
        state = "is not migrated" if found.current is None else f"stands at revision {found.current}, not {found.wanted}"
        where = f"database {database.address}" if database.schema is None else f"schema `{database.schema}` of {database.address}"
        raise Misconfigured(f"{where} {state}; run `mailqctl db upgrade`")


def refuse_the_future(found: Revision) -> None:
    """Refuse a schema that a newer mailq has made.

    Raises:
        Misconfigured: it is one.
    """
    if found.current is not None and found.current > found.wanted:
        raise Misconfigured(
            f"the database stands at revision {found.current}, which this mailq does not know; install a newer one"
        )
