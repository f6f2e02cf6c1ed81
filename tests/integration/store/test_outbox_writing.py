"""Rows of an outbox are written over the producer's own connection, whichever it is, and go the way of his transaction."""

import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import psycopg2
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from mailq.errors import Conflict, Misconfigured
from mailq.store.outbox import Kind, State
from mailq.store.outbox_database import OutboxDatabase
from mailq.store.outbox_writing import Row, Writing, writing

Connect = Callable[[], Any]


@pytest.fixture
def postgres_outbox(empty_database_url: str) -> Iterator[str]:
    """A database of a producer's, with an outbox."""
    yield from _made(empty_database_url)


@pytest.fixture
def sqlite_file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "shop.db"
    for _url in _made(f"sqlite:///{path}"):
        yield path


def _made(url: str) -> Iterator[str]:
    database = OutboxDatabase(url)
    database.create()
    with database.begin() as tx:
        tx.execute(text("CREATE TABLE orders (id INTEGER PRIMARY KEY)"))
    yield url
    database.close()


@pytest.fixture(params=["sqlite3", "psycopg2", "psycopg", "session on sqlite", "session on postgresql", "connection"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Opens one connection after the other of one kind."""
    kind = request.param
    # Asked for before anything is opened, so that it outlives the connections.
    where = request.getfixturevalue("sqlite_file" if "sqlite" in kind else "postgres_outbox")
    opened: list[Any] = []

    def open_() -> Any:
        opened.append(OPENERS[kind](where))
        return opened[-1]

    yield open_
    for connection in opened:
        connection.close()


OPENERS: dict[str, Callable[[Any], Any]] = {
    "sqlite3": sqlite3.connect,
    "psycopg2": psycopg2.connect,
    "psycopg": psycopg.connect,
    "session on sqlite": lambda path: Session(create_engine(f"sqlite:///{path}")),
    "session on postgresql": lambda url: Session(create_engine(_for_psycopg2(url))),
    "connection": lambda url: create_engine(_for_psycopg2(url)).connect(),
}


def _for_psycopg2(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg2://")


def say(connection: Any, statement: str) -> list[Any]:
    """Run a statement the way this kind of connection does."""
    if hasattr(connection, "exec_driver_sql") or isinstance(connection, Session):
        result = connection.execute(text(statement))
        return list(result) if result.returns_rows else []
    cursor = connection.cursor()
    cursor.execute(statement)
    return cursor.fetchall() if cursor.description else []


def row(handle: str = "obx_1", part: int = 0) -> Row:
    return Row(handle, part, Kind.MESSAGE, State.WAITING, '{"to": "ann@x.example"}')


def handles(connection: Any) -> list[str]:
    return [found[0] for found in say(connection, "SELECT handle FROM mailq_outbox ORDER BY id")]


def test_what_is_written_is_there_when_the_producer_has_committed(connect: Connect) -> None:
    mine, elsewhere = connect(), connect()
    say(mine, "INSERT INTO orders VALUES (1)")
    writing(mine).add([row("obx_1"), row("obx_2")])

    assert handles(elsewhere) == []
    elsewhere.rollback()
    mine.commit()
    assert handles(elsewhere) == ["obx_1", "obx_2"]


def test_what_is_rolled_back_was_never_written(connect: Connect) -> None:
    mine = connect()
    say(mine, "INSERT INTO orders VALUES (1)")
    writing(mine).add([row()])
    mine.rollback()

    assert handles(mine) == []
    assert say(mine, "SELECT id FROM orders") == []


def _add_and_fail(written: Writing) -> None:
    written.add([row("obx_1")])
    raise InterruptedError


def test_an_error_takes_back_our_rows_and_leaves_those_of_the_producer(connect: Connect) -> None:
    """He may go on in his transaction as if he had never asked."""
    mine = connect()
    say(mine, "INSERT INTO orders VALUES (1)")
    written = writing(mine)
    written.add([row("obx_before")])

    with pytest.raises(InterruptedError), written.undoing(["obx_1"]):
        _add_and_fail(written)
    say(mine, "INSERT INTO orders VALUES (2)")
    mine.commit()

    assert handles(mine) == ["obx_before"]
    assert len(say(mine, "SELECT id FROM orders")) == 2


def test_a_statement_that_fails_does_not_spoil_the_transaction(connect: Connect) -> None:
    mine = connect()
    say(mine, "INSERT INTO orders VALUES (1)")
    written = writing(mine)

    with pytest.raises(Exception, match=r"(?i)unique"), written.undoing(["obx_1"]):
        written.add([row("obx_1"), row("obx_1")])
    mine.commit()

    assert handles(mine) == []
    assert len(say(mine, "SELECT id FROM orders")) == 1


def test_a_connection_that_commits_by_itself_is_refused(postgres_outbox: str, sqlite_file: Path) -> None:
    """The mail would leave before the data it is about are there."""
    over_psycopg2 = psycopg2.connect(postgres_outbox)
    over_psycopg2.autocommit = True
    over_psycopg = psycopg.connect(postgres_outbox, autocommit=True)
    over_sqlite = sqlite3.connect(sqlite_file, isolation_level=None)
    over_sqlalchemy = create_engine(f"sqlite:///{sqlite_file}", isolation_level="AUTOCOMMIT").connect()

    for connection in (over_psycopg2, over_psycopg, over_sqlite, over_sqlalchemy):
        with pytest.raises(Conflict, match="begin a transaction first"):
            writing(connection)
        connection.close()


def test_one_that_has_begun_a_transaction_by_hand_is_not(postgres_outbox: str, sqlite_file: Path) -> None:
    over_psycopg = psycopg.connect(postgres_outbox, autocommit=True)
    over_sqlite = sqlite3.connect(sqlite_file, isolation_level=None)

    for connection in (over_psycopg, over_sqlite):
        say(connection, "BEGIN")
        writing(connection).add([row()])
        say(connection, "ROLLBACK")
        assert handles(connection) == []
        connection.close()


class _Cursor:
    def __init__(self, said: list[Any]) -> None:
        self._said = said

    def execute(self, statement: str, parameters: object = ()) -> None:
        self._said.append((statement, parameters))

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("paramstyle", "marks"),
    [
        ("qmark", "?, ?, ?, ?, ?"),
        ("format", "%s, %s, %s, %s, %s"),
        ("pyformat", "%s, %s, %s, %s, %s"),
        ("numeric", ":1, :2, :3, :4, :5"),
        ("named", ":handle, :part, :kind, :state, :payload"),
    ],
)
def test_parameters_are_written_as_the_driver_says(paramstyle: str, marks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyMySQL, mysqlclient, oracledb and others need no part of their own."""
    said: list[Any] = []
    connection = type("Connection", (), {"cursor": lambda _self: _Cursor(said), "__module__": "some_driver.connections"})()
    driver = type("Module", (), {"paramstyle": paramstyle, "__name__": "some_driver"})
    monkeypatch.setitem(sys.modules, "some_driver", driver)

    writing(connection).add([row()])

    (statement, parameters) = said[0]
    assert statement == f"INSERT INTO mailq_outbox (handle, part, kind, state, payload) VALUES ({marks})"
    assert dict(parameters)["part"] == 0 if paramstyle == "named" else parameters[1] == 0


@pytest.mark.parametrize(("autocommit", "status", "fits"), [(False, 0, True), (True, 0, False), (True, 1, True)])
def test_a_connection_of_mysql_is_asked_for_its_transaction(
    autocommit: bool, status: int, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyMySQL says `get_autocommit()`, and the server's status whether BEGIN was said."""
    facts = {
        "get_autocommit": lambda _self: autocommit,
        "server_status": status,
        "cursor": None,
        "__module__": "pymysql.connections",
    }
    monkeypatch.setitem(sys.modules, "pymysql", type("Module", (), {"paramstyle": "pyformat", "__name__": "pymysql"}))
    connection = type("Connection", (), facts)()

    if fits:
        writing(connection)
    else:
        with pytest.raises(Conflict):
            writing(connection)


@pytest.mark.parametrize("thing", ["sqlite:///shop.db", None, object()])
def test_what_is_no_connection_is_refused_with_its_type(thing: object) -> None:
    with pytest.raises(Misconfigured, match=f"not {type(thing).__name__}"):
        writing(thing)
