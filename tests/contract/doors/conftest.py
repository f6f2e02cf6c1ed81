"""Every door in turn, and the leader's work when a test wants it done."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailq.engine import streams
from mailq.engine.sealing import seal_complete
from mailq.store.database import Database
from tests.support.doors import KINDS, DoorUnderTest, Ground, door
from tests.support.servers import Databases


@pytest.fixture(scope="module")
def common_ground(databases: Databases) -> Iterator[Ground]:
    """What the doors of all tests lead to: a database and an API for each of them would cost more than what they test."""
    url = databases.create()
    made = Ground(url)
    yield made
    made.close()
    databases.drop(url)


@pytest.fixture
def ground(common_ground: Ground) -> Ground:
    """What the doors of this test lead to, as if it were the first."""
    common_ground.clear()
    return common_ground


@pytest.fixture
def database(ground: Ground) -> Database:
    """The database behind the doors of this test."""
    return ground.database


@pytest.fixture(params=KINDS)
def the_door(request: pytest.FixtureRequest, ground: Ground, tmp_path: Path) -> Iterator[DoorUnderTest]:
    """A door of each kind."""
    with door(request.param, ground, tmp_path) as opened:
        yield opened


@pytest.fixture
def lead(database: Database) -> Callable[[], None]:
    """What the leader does with what has arrived: mailings are sealed, messages get their places."""

    def work() -> None:
        seal_complete(database)
        streams.move(database)

    return work
