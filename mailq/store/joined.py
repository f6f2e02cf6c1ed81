"""A producer's own transaction, joined: our rows commit or roll back with his.

Around a connection of psycopg2 or psycopg 3 stands a connection of SQLAlchemy that never commits, rolls back or closes it, and whose
first use asks PostgreSQL nothing. What SQLAlchemy has made already is used as it is. Within, our work stands behind a savepoint,
so that a refusal of ours leaves his transaction as it was.
"""

import sys
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, text
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg, PGDialectAsync_psycopg
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.orm import Session, scoped_session
from sqlalchemy.pool import NullPool
from sqlalchemy.util import await_only

from mailq.errors import Misconfigured
from mailq.store.database import Transactions, search_path
from mailq.store.faults import in_a_producers_words
from mailq.store.lent import Lent, LentAsyncPsycopg, LentPsycopg, LentPsycopg2, require_transaction

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

_T = TypeVar("_T")
_Opened = Callable[[], AbstractContextManager[Connection]]

_lent: ContextVar[Lent] = ContextVar("_lent")
_OLDEST = (14,)
_AT_A_TIME = 500


class _AsItIs:
    """What a dialect leaves out, so that a connection stays as its producer has set it, and his transaction is his to begin."""

    def initialize(self, connection: Connection) -> None:
        """Ask nothing."""

    def on_connect(self) -> None:
        """Set nothing."""


class JoinedPsycopg2(_AsItIs, PGDialect_psycopg2):
    """SQLAlchemy's dialect of psycopg2, for a connection that is lent."""

    supports_statement_cache = True
    server_version_info = _OLDEST


class JoinedPsycopg(_AsItIs, PGDialect_psycopg):
    """The same of psycopg 3."""

    supports_statement_cache = True
    server_version_info = _OLDEST


class JoinedAsyncPsycopg(_AsItIs, PGDialectAsync_psycopg):
    """The same of psycopg 3 where it is asynchronous."""

    supports_statement_cache = True
    server_version_info = _OLDEST

    @classmethod
    def get_async_dialect_cls(cls, url: URL) -> type[Dialect]:
        """Itself."""
        return cls


for _dialect in (JoinedPsycopg2, JoinedPsycopg, JoinedAsyncPsycopg):
    registry.register(f"postgresql.{_dialect.__name__.lower()}", __name__, _dialect.__name__)


class Joined:
    """The transaction of a producer, as `Transactions` has it. It must not be used elsewhere meanwhile.

    Args:
        given: a connection of psycopg2 or psycopg 3, or a `Session` or a `Connection` of SQLAlchemy.
        schema: where our tables are; None if the connection finds them.

    Raises:
        Misconfigured: it is something else.
    """

    def __init__(self, given: Any, *, schema: str | None = None) -> None:
        self._opened = _opener(given)
        self._schema = schema

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Our work in it, which stays if and when the producer commits; undone by itself on any error.

        Raises:
            Conflict: it is in autocommit, closed, or has failed.
            Misconfigured, BadInput, Unavailable: see `faults.in_a_producers_words`.
        """
        with (
            in_a_producers_words(schema=self._schema),
            self._opened() as connection,
            connection.begin_nested(),
            _within(connection, self._schema),
        ):
            yield connection


class JoinedAsync:
    """The transaction of an asynchronous producer: work in it is done by `run`.

    Args:
        given: an `AsyncSession` or an `AsyncConnection` of SQLAlchemy, or psycopg's `AsyncConnection`.
        schema: as `Joined`.

    Raises:
        Misconfigured: it is something else.
    """

    def __init__(self, given: Any, *, schema: str | None = None) -> None:
        self._connected = _async_opener(given)
        self._schema = schema

    async def run(self, work: Callable[[Transactions], _T]) -> _T:
        """Do synchronous work in it: whatever waits for the database in there lets the event loop go on.

        Raises:
            Conflict, Misconfigured, BadInput, Unavailable: as `Joined.begin`.
        """
        with in_a_producers_words(schema=self._schema):
            done: _T = await self._connected(lambda connection: work(Joined(connection, schema=self._schema)))
            return done


def iterated(source: AsyncIterable[_T]) -> Iterator[_T]:
    """What an asynchronous producer makes one by one, for work that `JoinedAsync.run` does."""
    iterator = aiter(source)
    while some := await_only(some_of(iterator)):
        yield from some


async def some_of(iterator: AsyncIterator[_T]) -> list[_T]:
    """The next few hundred; none at the end."""
    some: list[_T] = []
    async for each in iterator:
        some.append(each)
        if len(some) == _AT_A_TIME:
            break
    return some


@contextmanager
def _within(connection: Connection, schema: str | None) -> Iterator[None]:
    """Look into the schema for the time being. An error rolls back to the savepoint, and the search path with it."""
    if schema is None:
        yield
        return
    before = connection.execute(text("SELECT current_setting('search_path')")).scalar_one()
    set_locally = text("SELECT set_config('search_path', :path, true)")
    connection.execute(set_locally, {"path": search_path(schema)})
    yield
    connection.execute(set_locally, {"path": before})


def _opener(given: Any) -> _Opened:
    if isinstance(given, scoped_session):
        given = given()
    if isinstance(given, Session):
        return lambda: nullcontext(_ours(given.connection()))
    if isinstance(given, Connection):
        return lambda: nullcontext(_ours(given))
    if _is(given, "psycopg2.extensions", "connection"):
        return lambda: _around(_engine("joinedpsycopg2"), LentPsycopg2(given))
    if _is(given, "psycopg", "Connection"):
        return lambda: _around(_engine("joinedpsycopg"), LentPsycopg(given))
    raise Misconfigured(f"no transaction can be joined through {_named(given)}; {_FIT}")


_FIT = "give a connection of psycopg2 or psycopg 3, or a Session or a Connection of SQLAlchemy"
_ASYNC_FIT = "give an AsyncSession or an AsyncConnection of SQLAlchemy, or an AsyncConnection of psycopg"

_ASYNCIO = "sqlalchemy.ext.asyncio"
"""Only a producer who uses it needs greenlet, without which it cannot be imported."""

_Connected = Callable[[Callable[[Connection], Any]], Awaitable[Any]]


def _async_opener(given: Any) -> _Connected:
    if _is(given, _ASYNCIO, "AsyncSession") or _is(given, _ASYNCIO, "async_scoped_session"):

        async def of_session(work: Callable[[Connection], Any]) -> Any:
            connection = await given.connection()
            return await connection.run_sync(work)

        return of_session
    if _is(given, _ASYNCIO, "AsyncConnection"):
        run_sync: _Connected = given.run_sync
        return run_sync
    if _is(given, "psycopg", "AsyncConnection"):
        return lambda work: _async_around(LentAsyncPsycopg(given), work)
    raise Misconfigured(f"no transaction can be joined through {_named(given)}; {_ASYNC_FIT}")


def _ours(connection: Connection) -> Connection:
    if connection.dialect.name != "postgresql":
        raise Misconfigured(f"the connection is to {connection.dialect.name}; mailq's tables are in PostgreSQL: use an outbox")
    return connection


@contextmanager
def _around(engine: Engine, lent: Lent) -> Iterator[Connection]:
    require_transaction(lent.driver)
    token = _lent.set(lent)
    try:
        connection = engine.connect()
    finally:
        _lent.reset(token)
    with connection:
        yield connection


async def _async_around(lent: Lent, work: Callable[[Connection], Any]) -> Any:
    require_transaction(lent.driver)
    token = _lent.set(lent)
    try:
        connection = await _async_engine().connect()
    finally:
        _lent.reset(token)
    try:
        return await connection.run_sync(work)
    finally:
        await connection.close()


@cache
def _engine(dialect: str) -> Engine:
    return create_engine(f"postgresql+{dialect}://", creator=_lent.get, poolclass=NullPool)


@cache
def _async_engine() -> "AsyncEngine":
    try:
        from sqlalchemy.ext.asyncio import create_async_engine
    except ImportError:
        raise Misconfigured(
            "an asynchronous connection needs `greenlet`, which is not installed: `pip install 'sqlalchemy[asyncio]'`"
        ) from None

    async def lent() -> Any:
        return _lent.get()

    return create_async_engine("postgresql+joinedasyncpsycopg://", async_creator=lent, poolclass=NullPool)


def _is(given: Any, module: str, name: str) -> bool:
    """Whether it is of a library's class. What was never imported has made nothing, and need not be there."""
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(given, kind)


def _named(given: Any) -> str:
    return f"{type(given).__module__}.{type(given).__qualname__}"
