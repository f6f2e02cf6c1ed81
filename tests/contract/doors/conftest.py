"""Every door in turn, and the leader's work when a test wants it done."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailq.engine import streams
from mailq.engine.sealing import seal_complete
from mailq.store.database import Database
from tests.support.doors import KINDS, DoorUnderTest, Ground, door


@pytest.fixture
def ground(database: Database, database_url: str, tmp_path: Path) -> Ground:
    """What the doors of this test lead to."""
    return Ground(database, database_url, tmp_path)


@pytest.fixture(params=KINDS)
def the_door(request: pytest.FixtureRequest, ground: Ground) -> Iterator[DoorUnderTest]:
    """A door of each kind."""
    with door(request.param, ground) as opened:
        yield opened


@pytest.fixture
def lead(database: Database) -> Callable[[], None]:
    """What the leader does with what has arrived: mailings are sealed, messages get their places."""

    def work() -> None:
        seal_complete(database)
        streams.move(database)

    return work
