"""A database in which calls come to words."""

import pytest

from mailq.store.database import Database
from tests.support.calling import Calling
from tests.support.deeds import Producer


@pytest.fixture
def calling(database: Database) -> Calling:
    """Receives and runs calls about words."""
    return Calling(database)


@pytest.fixture
def do(database: Database, us: int) -> Producer:
    """Does what a method says to an object of ours; batches have 3 recipients."""
    return Producer(database, us)


@pytest.fixture
def they(database: Database, them: int) -> Producer:
    """The same of another organization."""
    return Producer(database, them)
