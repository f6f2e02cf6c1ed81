"""The database that an outbox lies in: any that SQLAlchemy knows and a driver is installed for."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, create_mock_engine, inspect, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, InternalError, NoSuchModuleError, OperationalError

from mailq import urls
from mailq.errors import Misconfigured, Unavailable
from mailq.store.database import parse_url
from mailq.store.outbox import metadata, outbox

_NAME = "outbox_url"
_DRIVERS = {"mysql": "PyMySQL", "mariadb": "PyMySQL", "oracle": "oracledb", "mssql": "pyodbc"}
_PURE = {"mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql", "oracle": "oracle+oracledb"}


class OutboxDatabase:
    """A producer's database, as the relay of its outbox sees it: `begin` is a transaction. Nothing is connected yet.

    Raises:
        Misconfigured: the URL is none, or no driver for it is installed.
    """

    def __init__(self, url: str) -> None:
        self._url = _parse(url)
        try:
            self._engine: Engine = create_engine(self._url, pool_pre_ping=True, pool_size=2, hide_parameters=True)
        except ModuleNotFoundError as error:
            raise Misconfigured(_no_driver(self._url, error.name or "its driver")) from None

    @property
    def address(self) -> str:
        """Where it is, without the password: fit for messages and logs."""
        return _shown(self._url)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction: committed at the end, rolled back on any error.

        Raises:
            Unavailable: the database does not answer, or went away in the middle.
        """
        try:
            with self._engine.begin() as tx:
                yield tx
        except (OperationalError, InternalError, InterfaceError) as error:
            raise Unavailable(f"outbox {self.address} is not available: {_first_line(error)}") from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise Unavailable(f"outbox {self.address} went away: {_first_line(error)}") from error
            raise

    def create(self) -> bool:
        """Make the table; False if it is there.

        Raises:
            Unavailable: the database does not answer, or this user may not make tables in it.
        """
        with self.begin() as tx:
            if inspect(tx).has_table(outbox.name):
                return False
            metadata.create_all(tx)
        return True

    def require_table(self) -> None:
        """Refuse to work where no outbox was made.

        Raises:
            Misconfigured: there is no table.
            Unavailable: the database does not answer.
        """
        with self.begin() as tx:
            if inspect(tx).has_table(outbox.name):
                return
        raise Misconfigured(f"{self.address} has no table {outbox.name}; make it with `mailqctl outbox create`")

    def close(self) -> None:
        """Close every idle connection."""
        self._engine.dispose()


def ddl(url: str) -> str:
    """The statements that make the table where a URL leads to; a bare `mysql://` will do, and nothing is connected.

    Raises:
        Misconfigured: SQLAlchemy knows no such database.
    """
    parsed = _parse(url)
    statements: list[str] = []

    def note(statement: Any, *_parameters: Any, **_more: Any) -> None:
        statements.append(str(statement.compile(dialect=engine.dialect)).strip())

    try:
        engine = create_mock_engine(parsed, note)
    except ModuleNotFoundError as error:
        raise Misconfigured(_no_driver(parsed, error.name or "its driver")) from None
    metadata.create_all(engine, checkfirst=False)
    return ";\n\n".join(statements).replace("\t", "    ") + ";\n"


def _parse(url: str) -> URL:
    try:
        if make_url(url).get_backend_name() in {"postgresql", "postgres"} and "+" not in url.partition(":")[0]:
            return parse_url(url)
        parsed = make_url(url)
        parsed.get_dialect()
    except NoSuchModuleError:
        known = "postgresql, mysql, mariadb, sqlite, oracle, mssql"
        raise Misconfigured(f"{_NAME} is for a database that SQLAlchemy does not know; it knows {known}") from None
    except (ArgumentError, ValueError):
        raise Misconfigured(f"{_NAME} is no URL; write mysql+pymysql://user:password@host/database, or sqlite:///file") from None
    return parsed


def _no_driver(url: URL, missing: str) -> str:
    name = url.get_backend_name()
    package, better = _DRIVERS.get(name, missing), _PURE.get(name, name)
    return f"the driver `{missing}` for {url.drivername}:// is not installed; `pip install {package}`, and write {better}://"


def _shown(url: URL) -> str:
    try:
        return urls.shown(url.render_as_string(hide_password=False), _NAME)
    except Misconfigured:
        return url.get_backend_name()


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
