"""The schema's revision: bring it up to date, or say clearly that it is not."""

from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from mailq.errors import Misconfigured
from mailq.store import partitions
from mailq.store.database import Database

VERSION_TABLE = "schema_revision"
_LOCK = 0x6D61696C71  # "mailq": two containers that migrate at once take turns


@dataclass(frozen=True, slots=True)
class Revision:
    """Where a database's schema stands, against what this version of mailq needs."""

    current: str | None
    wanted: str

    @property
    def up_to_date(self) -> bool:
        """Whether this version of mailq can work on it."""
        return self.current == self.wanted


def upgrade(database: Database) -> Revision:
    """Bring the schema to what this version of mailq needs; whole or not at all. Partitions are made three months ahead.

    Raises:
        Misconfigured: the database is ahead of this version of mailq.
        Unavailable: the database does not answer.
    """
    with database.begin() as tx:
        tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        _refuse_the_future(_revision(tx))
        command.upgrade(_config(tx), "head")
        partitions.ensure(tx, months_ahead=3)
        return _revision(tx)


def revision(database: Database) -> Revision:
    """The schema's revision as it is."""
    with database.begin() as tx:
        return _revision(tx)


def require_up_to_date(database: Database) -> None:
    """Refuse a database whose schema does not fit this version of mailq.

    Raises:
        Misconfigured: it is not migrated, behind, or ahead.
        Unavailable: it does not answer.
    """
    found = revision(database)
    _refuse_the_future(found)
    if not found.up_to_date:
        state = "is not migrated" if found.current is None else f"stands at revision {found.current}, not {found.wanted}"
        raise Misconfigured(f"database {database.address} {state}; run `mailqctl db upgrade`")


def _revision(tx: Connection) -> Revision:
    context = MigrationContext.configure(tx, opts={"version_table": VERSION_TABLE})
    wanted = ScriptDirectory.from_config(_config(tx)).get_current_head()
    return Revision(context.get_current_revision(), str(wanted))


def _refuse_the_future(found: Revision) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found.current is not None and found.current not in known:
        raise Misconfigured(
            f"the database stands at revision {found.current}, which this mailq does not know; install a newer one"
        )


def _config(tx: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = tx
    return config
