"""Migrations: bring the schema to the revision that this version of mailq needs."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.schema import CreateSchema

from mailq.store import partitions
from mailq.store.database import Database
from mailq.store.revision import Revision, read, refuse_the_future

_LOCK = 0x6D61696C71  # "mailq": two containers that migrate at once take turns


def upgrade(database: Database) -> Revision:
    """Bring the schema to what this version of mailq needs; whole or not at all. Partitions are made three months ahead.

    Raises:
        Misconfigured: the database is ahead of this version of mailq.
        Unavailable: the database does not answer.
    """
    _make_schema(database)
    with database.begin() as tx:
        tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        refuse_the_future(read(tx))
        command.upgrade(_config(tx), "head")
        partitions.ensure(tx, months_ahead=3)
        return read(tx)


def _make_schema(database: Database) -> None:
    """Make the schema that is wanted, if it is not there. Asked first: to make one takes a right that its owner may not have."""
    if database.schema is None:
        return
    with database.begin() as tx:
        tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        found = tx.execute(
            text("SELECT 1 FROM pg_namespace WHERE nspname = :name"), {"name": database.schema}
        ).scalar_one_or_none()
        if found is None:
            tx.execute(CreateSchema(database.schema))


def _config(tx: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = tx
    return config
