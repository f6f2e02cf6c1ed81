"""Fixtures for every tier. Servers start when the first test asks for one, so the unit tier pays nothing.

`eventually(condition, within=seconds)` of `tests.support.waiting` is the one way to wait.
"""

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailq.store.database import Database
    from tests.support.servers import Databases, Servers
    from tests.support.sink import SinkThread


def pytest_configure() -> None:
    """Tests see no settings of the machine they run on, no stack in the working directory, and signals as they are by default."""
    for name in [name for name in os.environ if name.startswith("MAILQ_") and not name.startswith("MAILQ_TEST_")]:
        del os.environ[name]
    os.environ["MAILQ_HOME"] = str(Path(os.devnull) / "no-home")
    # A shell starts what is to run in the background deaf to Ctrl-C, and so would be every process that a test sends one to.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # psycopg2 asks Kerberos in every new process otherwise, and forked children deadlock there.
    os.environ["PGGSSENCMODE"] = "disable"


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command that is called in this process sends the logs its own way; the next test wants to read them."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    if root.level != level or [each for each in handlers if each not in root.handlers]:
        root.handlers[:] = handlers
        root.setLevel(level)


@pytest.fixture(scope="session")
def servers() -> "Iterator[Servers]":
    """The servers of this test run; ask for `postgres_url` or `redis_url` instead."""
    from tests.support.servers import Servers, memory, temporary_home

    with temporary_home(memory()) as home:
        running = Servers(home)
        try:
            yield running
        finally:
            running.stop()


@pytest.fixture(scope="session")
def postgres_url(servers: "Servers") -> str:
    """A PostgreSQL for the whole run, as its superuser; fsync is off. Take `database` for one that is all yours."""
    return servers.postgres()


@pytest.fixture(scope="session")
def redis_url(servers: "Servers") -> str:
    """A Redis for the whole run, as its settings would name it. Tests that need it empty flush it."""
    return servers.redis()


@pytest.fixture(scope="session")
def databases(postgres_url: str) -> "Iterator[Databases]":
    """Makes and drops databases."""
    from tests.support.servers import Databases

    maker = Databases(postgres_url)
    yield maker
    maker.close()


@pytest.fixture
def database_url(databases: "Databases") -> Iterator[str]:
    """The URL of a migrated database of this test's own."""
    url = databases.create()
    yield url
    databases.drop(url)


@pytest.fixture
def empty_database_url(databases: "Databases") -> Iterator[str]:
    """The URL of a database of this test's own that nobody has migrated."""
    url = databases.create_empty()
    yield url
    databases.drop(url)


@pytest.fixture
def database(database_url: str) -> "Iterator[Database]":
    """A migrated database of this test's own."""
    from mailq.store.database import Database

    opened = Database(database_url, application="tests")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def shared_database(databases: "Databases") -> "Iterator[Database]":
    """A migrated database that nothing is ever committed to: the ground of `tx`."""
    from mailq.store.database import Database

    opened = Database(databases.create(), application="tests")
    yield opened
    opened.close()


@pytest.fixture
def tx(shared_database: "Database") -> "Iterator[Connection]":
    """A transaction that is rolled back, whatever the test wrote."""
    with shared_database.engine.connect() as connection, connection.begin() as transaction:
        yield connection
        transaction.rollback()


@pytest.fixture
def sink() -> "Iterator[SinkThread]":
    """A mail sink of this test's own: `sink.url`, `sink.accepted`, `sink.rules("odds=1 tempfail")`."""
    from tests.support.sink import SinkThread

    running = SinkThread()
    yield running
    running.close()
