"""The connection to PostgreSQL: one engine a process, short transactions, errors that name the address but no password."""

import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, Engine, create_engine, func, literal, make_url, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, InternalError, OperationalError

from mailq import urls
from mailq.errors import Misconfigured, Unavailable

# A worker cut off from the database must not hold a row: the server ends what stands idle, TCP finds out who is gone.
_CONNECT_ARGS: dict[str, Any] = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "gssencmode": "disable",
}


def parse_url(url: str) -> URL:
    """The address of the database, always for psycopg2: SQLAlchemy 2.1 would take `postgresql://` for psycopg 3.

    Raises:
        Misconfigured: it is no PostgreSQL URL.
    """
    urls.shown(url, "database_url")
    try:
        parsed = make_url(url.replace("postgres://", "postgresql://", 1))
    except (ArgumentError, ValueError):
        raise Misconfigured("database_url is no URL; write postgresql://user:password@host:5432/database") from None
    if parsed.get_backend_name() != "postgresql":
        raise Misconfigured(f"database_url is for {parsed.get_backend_name()}; mailq keeps its books in postgresql://")
    return parsed.set(drivername="postgresql+psycopg2")


def search_path(schema: str) -> str:
    """The search path that leads into one schema alone; temporary tables of the session come last, so that they hide none of ours."""
    return '"' + schema.replace('"', '""') + '", pg_temp'


class Database:
    """PostgreSQL as the engine room sees it: `begin` is a transaction."""

    def __init__(
        self,
        url: str,
        *,
        application: str = "mailq",
        pool_size: int = 5,
        statement_timeout_ms: int = 60_000,
        connect_timeout_s: int = 5,
        idle_timeout_ms: int = 60_000,
        schema: str | None = None,
    ) -> None:
        """Nothing is connected yet.

        Args:
            schema: where the tables are, or shall be; None leaves it to the search path of the user.
            idle_timeout_ms: a transaction in which nothing happens for so long is ended by PostgreSQL, and its rows are free.
        """
        self.url = parse_url(url)
        self.schema = schema
        options = f"-c statement_timeout={statement_timeout_ms} -c idle_in_transaction_session_timeout={idle_timeout_ms} -c timezone=UTC"
        if schema is not None:
            options += " -c search_path=" + search_path(schema).replace("\\", "\\\\").replace(" ", "\\ ")
        self._process_id = os.getpid()
        self._engine: Engine = create_engine(
            self.url,
            pool_size=pool_size,
            pool_pre_ping=True,
            hide_parameters=True,  # an error's text goes to logs, and its parameters are addresses and words
            connect_args=_CONNECT_ARGS
            | {"application_name": application, "options": options, "connect_timeout": connect_timeout_s},
        )

    @property
    def engine(self) -> Engine:
        """That of this process: a forked child must neither use nor end its parent's sessions."""
        # Asked at each use, because some servers fork without Python's hooks.
        if self._process_id != os.getpid():
            self._engine.dispose(close=False)
            self._process_id = os.getpid()
        return self._engine

    @property
    def address(self) -> str:
        """Where it is, without the password: fit for messages and logs."""
        return urls.shown(self.url.set(drivername="postgresql").render_as_string(hide_password=False), "database_url")

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction: committed at the end, rolled back on any error.

        Raises:
            Unavailable: the database does not answer, or went away in the middle.
        """
        with self.in_words(), self.engine.begin() as tx:
            yield tx

    @contextmanager
    def in_words(self) -> Iterator[None]:
        """Tell a database that is away by our own error.

        Raises:
            Unavailable: the database does not answer, or went away in the middle.
        """
        try:
            yield
        except (OperationalError, InternalError) as error:  # internal: read-only after a failover, for one
            raise Unavailable(f"database {self.address} is not available: {_first_line(error)}") from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise Unavailable(f"database {self.address} went away: {_first_line(error)}") from error
            raise

    def close(self) -> None:
        """Close every idle connection."""
        self.engine.dispose()


class Transactions(Protocol):
    """Whatever transactions can be begun on."""

    def begin(self) -> AbstractContextManager[Connection]:
        """A transaction, as `Database.begin` has it."""


class KeptConnection:
    """One connection kept from transaction to transaction, without a check-out and a ping for each. For one thread.

    A broken one is replaced when the next transaction begins.

    Args:
        session: statements that set what holds for its whole life, such as `prepared.SESSION`.
        rested_s: a connection that was not used for so long is asked first whether it is still there; None never asks.
    """

    def __init__(self, database: Database, *, session: str | None = None, rested_s: float | None = None) -> None:
        self._database = database
        self._session = session
        self._rested_s = rested_s
        self._used_at = 0.0
        self._connection: Connection | None = None

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction, as `Database.begin` has it.

        Raises:
            Unavailable: the database does not answer, or went away in the middle.
        """
        with self._database.in_words():
            if self._connection is None or not self._is_there(self._connection):
                self.close()
                self._connection = self._connect()
            try:
                with self._connection.begin():
                    yield self._connection
            finally:
                self._used_at = time.monotonic()

    def _is_there(self, connection: Connection) -> bool:
        if connection.invalidated or self._rested_s is None or time.monotonic() < self._used_at + self._rested_s:
            return not connection.invalidated
        try:
            connection.exec_driver_sql("SELECT 1")
            connection.rollback()
        except DBAPIError:
            return False
        return True

    def _connect(self) -> Connection:
        connection = self._database.engine.connect()
        if self._session is not None:
            # Nobody else shall have a connection that was set like this.
            connection.detach()
            connection.exec_driver_sql(self._session)
            connection.commit()
        return connection

    def close(self) -> None:
        """Give the connection back."""
        kept, self._connection = self._connection, None
        if kept is not None:
            kept.close()


def db_now(now: datetime | None = None) -> ColumnElement[datetime]:
    """The one clock of leases, the database's own; a test passes `now`."""
    return literal(now) if now is not None else func.clock_timestamp()


def db_now_once(now: datetime | None = None) -> ColumnElement[datetime]:
    """The same for a statement that waits for no lock: its beginning, which does not change from row to row, so that an index is
    searched by it.
    """
    return literal(now) if now is not None else func.statement_timestamp()


def moment(tx: Connection) -> datetime:
    """What the database's clock says."""
    said: datetime = tx.execute(select(func.clock_timestamp())).scalar_one()
    return said


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
