"""A database in which calls come to words."""

from collections.abc import Callable

import pytest

from mailq.store.database import Database
from tests.support.calling import Calling
from tests.support.deeds import Producer
from tests.support.waiting import eventually


@pytest.fixture
def calling(database: Database) -> Calling:
    """Receives and runs calls about words."""
    return Calling(database)


@pytest.fixture
def waits(calling: Calling) -> Callable[[], object]:
    """Returns when somebody waits for a row that another transaction has locked."""
    waiting = "SELECT count(*) AS num FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return lambda: eventually(lambda: calling.rows(waiting)[0].num)


@pytest.fixture
def do(database: Database, us: int) -> Producer:
    """Does what a method says to an object of ours; batches have 3 recipients."""
    return Producer(database, us)


@pytest.fixture
def they(database: Database, them: int) -> Producer:
    """The same of another organization."""
    return Producer(database, them)
