"""Hearing what a commit tells the leader."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import text

from mailq.store.database import Database
from mailq.store.waking import CHANNEL
from tests.support.waiting import eventually


@contextmanager
def listening(database: Database) -> Iterator[Callable[[], bool]]:
    """Listen as the leader does; yields what says whether it was woken by now."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
        session.execute(text(f"LISTEN {CHANNEL}"))
        driver = session.connection.driver_connection
        assert driver is not None

        def woken() -> bool:
            driver.poll()
            return bool(driver.notifies)

        yield woken
        session.execute(text("UNLISTEN *"))


@contextmanager
def wakes_the_leader(database: Database) -> Iterator[None]:
    """What is done here must wake it."""
    with listening(database) as woken:
        yield
        eventually(woken)
