"""Writing into an outbox over whatever connection the producer has, in the transaction that it commits or rolls back itself.

A connection is SQLAlchemy's (a `Session` or a `Connection`), or one of a driver that keeps to PEP 249, such as sqlite3, psycopg2,
psycopg, PyMySQL or mysqlclient. Nothing here commits, rolls back or closes it.
"""

import re
import sys
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import accumulate
from typing import Any, NamedTuple, Protocol, TypeVar

from sqlalchemy import Connection, delete, insert
from sqlalchemy.orm import Session, scoped_session
from sqlalchemy.util import await_only

from mailq.errors import Conflict, Misconfigured
from mailq.store.outbox import Kind, State, outbox

Done = TypeVar("Done")
Item = TypeVar("Item")

_COLUMNS = ("handle", "part", "kind", "state", "payload")
_SAVEPOINT = "mailq_outbox"
_POSTGRES = {"psycopg", "psycopg2", "psycopg2cffi", "pg8000"}
_MISSING = re.compile(r"no such table|doesn't exist|relation .* does not exist|ORA-00942|Invalid object name")
"""What databases say of a table that is not there."""
_IN_TRANSACTION = 1  # SERVER_STATUS_IN_TRANS of MySQL's protocol
_PLACEHOLDERS: dict[str, Callable[[int, str], str]] = {
    "qmark": lambda _number, _name: "?",
    "format": lambda _number, _name: "%s",
    "pyformat": lambda _number, _name: "%s",
    "numeric": lambda number, _name: f":{number}",
    "named": lambda _number, name: f":{name}",
}


class Row(NamedTuple):
    """A row to be written."""

    handle: str
    part: int
    kind: Kind
    state: State
    payload: str


class Writing(Protocol):
    """A producer's connection, as we write over it."""

    def add(self, rows: Sequence[Row]) -> None:
        """Write rows."""

    def undoing(self, handles: Sequence[str]) -> AbstractContextManager[None]:
        """All or nothing: on an error what was written of these handles is taken back, and the producer's transaction stays usable."""


def writing(connection: object) -> Writing:
    """Recognise a producer's connection.

    Raises:
        Misconfigured: it is none that we know.
        Conflict: it commits by itself after every statement.
    """
    if isinstance(connection, Session | scoped_session):
        connection = connection.connection()
    if isinstance(connection, Connection):
        _require_transaction(connection.connection.dbapi_connection)
        return _OverSqlAlchemy(connection)
    module = _driver(connection)
    if module is None:
        raise Misconfigured(
            f"an outbox needs a Session or Connection of SQLAlchemy, or a driver's connection (PEP 249), not {type(connection).__name__}"
        )
    _require_transaction(connection)
    return _OverDriver(connection, module.__name__, module.paramstyle)


async def in_greenlet(connection: Any, work: Callable[[Any], Done]) -> Done:
    """Do work over a producer's asynchronous connection; what waits for the database in there lets the event loop go on.

    Raises:
        Misconfigured: it is none of SQLAlchemy's.
    """
    # Whoever has made one has imported it; without greenlet nobody can.
    theirs = sys.modules.get("sqlalchemy.ext.asyncio")
    if theirs is not None and isinstance(connection, theirs.async_scoped_session):
        connection = connection()
    if theirs is None or not isinstance(connection, theirs.AsyncSession | theirs.AsyncConnection):
        kind = type(connection).__name__
        raise Misconfigured(f"an asynchronous outbox needs an AsyncSession or AsyncConnection of SQLAlchemy, not {kind}")
    done: Done = await connection.run_sync(work)
    return done


def awaited(items: Iterable[Item] | AsyncIterable[Item]) -> Iterator[Item]:
    """What comes, within `in_greenlet`."""
    if not isinstance(items, AsyncIterable):
        yield from items
        return
    iterator = aiter(items)
    while True:
        try:
            yield await_only(anext(iterator))
        except StopAsyncIteration:
            return


class _NoTable(Misconfigured):
    """Nothing was written that could be taken back."""


@contextmanager
def _table_wanted() -> Iterator[None]:
    """Say what to do where there is no outbox; every other error is the producer's database speaking to him.

    Raises:
        Misconfigured: there is no table.
    """
    try:
        yield
    except Exception as error:
        if not _MISSING.search(str(getattr(error, "orig", error))):
            raise
        raise _NoTable(f"this database has no table {outbox.name}; make it with `mailqctl outbox create`") from error


class _OverSqlAlchemy:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, rows: Sequence[Row]) -> None:
        """Write rows."""
        with _table_wanted():
            self._connection.execute(insert(outbox), [row._asdict() for row in rows])

    @contextmanager
    def undoing(self, handles: Sequence[str]) -> Iterator[None]:
        """By a savepoint where an error ends the transaction, else by deleting."""
        if self._connection.dialect.name == "postgresql":
            with self._connection.begin_nested():
                yield
            return
        try:
            yield
        except _NoTable:
            raise
        except BaseException:
            self._connection.execute(delete(outbox).where(outbox.c.handle.in_(handles)))
            raise


class _OverDriver:
    def __init__(self, connection: Any, driver: str, paramstyle: str) -> None:
        self._connection = connection
        self._savepoints = driver in _POSTGRES
        self._mark = _PLACEHOLDERS[paramstyle]
        self._by_name = paramstyle == "named"

    def add(self, rows: Sequence[Row]) -> None:
        """Write rows."""
        marks = ", ".join(self._mark(number, name) for number, name in enumerate(_COLUMNS, start=1))
        statement = f"INSERT INTO {outbox.name} ({', '.join(_COLUMNS)}) VALUES ({marks})"  # noqa: S608 - names of our own
        with _table_wanted(), self._cursor() as cursor:
            for row in rows:
                # Plain strings: not every driver knows what to do with an enum.
                values = (row.handle, row.part, str(row.kind), str(row.state), row.payload)
                cursor.execute(statement, dict(zip(_COLUMNS, values, strict=True)) if self._by_name else values)

    @contextmanager
    def undoing(self, handles: Sequence[str]) -> Iterator[None]:
        """By a savepoint where an error ends the transaction, else by deleting."""
        if self._savepoints:
            self._say(f"SAVEPOINT {_SAVEPOINT}")
        try:
            yield
        except BaseException as error:
            if self._savepoints:
                self._say(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
            elif not isinstance(error, _NoTable):
                self._take_back(handles)
            raise
        if self._savepoints:
            self._say(f"RELEASE SAVEPOINT {_SAVEPOINT}")

    def _take_back(self, handles: Sequence[str]) -> None:
        statement = f"DELETE FROM {outbox.name} WHERE handle = {self._mark(1, 'handle')}"  # noqa: S608 - names of our own
        with self._cursor() as cursor:
            for handle in handles:
                cursor.execute(statement, {"handle": handle} if self._by_name else (handle,))

    def _say(self, statement: str) -> None:
        with self._cursor() as cursor:
            cursor.execute(statement)

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        # Not every driver's cursor is a context manager.
        cursor = self._connection.cursor()
        try:
            yield cursor
        finally:
            cursor.close()


def _driver(connection: object) -> Any:
    """The driver's module: where a class of the connection comes from that says how parameters are written."""
    names = (name for kind in type(connection).__mro__ for name in accumulate(kind.__module__.split("."), "{}.{}".format))
    modules = (sys.modules.get(name) for name in names)
    return next((module for module in modules if getattr(module, "paramstyle", None) in _PLACEHOLDERS), None)


def _require_transaction(connection: Any) -> None:
    """A row that is committed before the producer's own data would be mailed without them.

    Raises:
        Conflict: every statement is committed at once, and no transaction has begun.
    """
    if _commits_by_itself(connection) and not _in_transaction(connection):
        raise Conflict(
            "this connection commits every statement by itself: begin a transaction first, so that the mail goes with your own data"
        )


def _commits_by_itself(connection: Any) -> bool:
    asked = getattr(connection, "get_autocommit", None)
    if callable(asked):
        return bool(asked())
    if hasattr(connection, "isolation_level") and not hasattr(connection, "autocommit"):
        return bool(connection.isolation_level is None)  # sqlite3 before Python 3.12
    said = getattr(connection, "autocommit", False)
    if said == -1:  # sqlite3.LEGACY_TRANSACTION_CONTROL
        return bool(connection.isolation_level is None)
    return said is True


def _in_transaction(connection: Any) -> bool:
    if hasattr(connection, "in_transaction"):
        return bool(connection.in_transaction)
    if hasattr(connection, "server_status"):
        return bool(connection.server_status & _IN_TRANSACTION)
    info = getattr(connection, "info", None)
    return bool(getattr(info, "transaction_status", 0))
