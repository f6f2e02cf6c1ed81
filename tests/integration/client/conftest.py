"""Fixtures of the client's tests: what a producer asks for, and what the ledger holds of it."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from mailq import Mailing, Recipient
from mailq.store.database import Database
from tests.support.producers import KINDS, Producer, own_connection, producing

MAILING = Mailing("Spring sale", "Hi {{ name }}", "Shop <shop@shop.example>", text="Dear {{ name }}\n")


# SQLAlchemy's other pairs of driver and object are joined by the same code.
OTHER_PAIRS = ("connection-psycopg2", "session-psycopg2", "async-session-psycopg", "async-connection-asyncpg")
EACH_KIND = [pytest.param(kind, marks=pytest.mark.slow if kind in OTHER_PAIRS else ()) for kind in KINDS]


def people(number: int) -> list[Recipient]:
    """So many good recipients."""
    return [Recipient(f"p{each}@people.example", {"name": f"Name {each}"}) for each in range(1, number + 1)]


class Ledger:
    """What is committed, seen over a connection of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What a statement finds."""
        with self._database.begin() as tx:
            return [tuple(row) for row in tx.execute(text(statement))]

    def counts(self) -> dict[str, int]:
        """How many rows the tables hold that a producer fills."""
        return {name: self.rows(f"SELECT count(*) FROM {name}")[0][0] for name in ("mailing", "batch", "delivery", "inbox")}


@pytest.fixture
def ledger(database: Database) -> Ledger:
    """What the database of this test holds."""
    return Ledger(database)


@pytest.fixture(params=EACH_KIND)
def producer(request: pytest.FixtureRequest, database_url: str) -> Iterator[Producer]:
    """A producer of each kind, who has a table of his own."""
    with producing(request.param, database_url) as made:
        made.execute("CREATE TABLE app_order (number integer)")
        made.commit()
        yield made


@pytest.fixture(params=["own", "own-async", "psycopg", "async-session-asyncpg"])
def client(request: pytest.FixtureRequest, database_url: str) -> Iterator[Any]:
    """A client that commits by itself, or in a transaction that stays open."""
    with ExitStack() as ends:
        if request.param.startswith("own"):
            yield ends.enter_context(own_connection(database_url, asynchronous=request.param == "own-async"))
        else:
            yield ends.enter_context(producing(request.param, database_url)).client


@pytest.fixture
def heard(database_url: str) -> Iterator[Any]:
    """Says how often the leader was woken since it was asked last; waits until all that is committed has been heard."""
    with psycopg.connect(database_url, autocommit=True) as listener, psycopg.connect(database_url, autocommit=True) as marker:
        listener.execute("LISTEN mailq")
        listener.execute("LISTEN so_far")

        def count() -> int:
            marker.execute("NOTIFY so_far")
            for number, notice in enumerate(listener.notifies(timeout=10)):
                if notice.channel == "so_far":
                    return number
            raise AssertionError("the mark was not heard")

        yield count
