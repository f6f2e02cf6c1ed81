"""How a producer's commit wakes the leading warden: PostgreSQL tells whoever listens, when and only if the transaction commits."""

import select
from enum import StrEnum
from typing import Any

import psycopg2
from sqlalchemy import Connection, text

from mailq.errors import Unavailable
from mailq.store.database import Database

CHANNEL = "mailq"


class News(StrEnum):
    """What is told, so that only those who have something to do look."""

    MAIL = ""
    """Messages, a loaded mailing, or one that goes on."""
    CALLS = "calls"
    """Calls that may be run."""
    NOTIFICATIONS = "notifications"
    """Answers that are to be sent."""
    ALL = "all"
    """Whatever there is."""

    @classmethod
    def _missing_(cls, value: object) -> "News":
        """What another release tells may be anything."""
        return cls.ALL


def wake(tx: Connection, news: News = News.MAIL) -> None:
    """Tell the leader, when this commits, that there is something to do. Lost or repeated, it costs time, never mail."""
    tx.execute(text("SELECT pg_notify(:channel, :news)"), {"channel": CHANNEL, "news": news.value})


class Ear:
    """A connection of its own that hears what `wake` tells. For one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None

    def hears(self, within_s: float) -> frozenset[News]:
        """Wait for news; which there were. A connection that is new counts as all: nobody has heard what was told before.

        Raises:
            Unavailable: the database does not answer, or went away; the next call connects anew.
        """
        if self._connection is None:
            self._connection = self._connect()
            return frozenset({News.ALL})
        driver: Any = self._connection.connection.dbapi_connection
        try:
            select.select([driver], [], [], within_s)
            driver.poll()
        except (psycopg2.Error, OSError, ValueError) as error:
            self._connection.invalidate()
            self._connection = None
            raise Unavailable(f"database {self._database.address} went away: {type(error).__name__}") from error
        told = frozenset(News(each.payload) for each in driver.notifies)
        driver.notifies.clear()
        return told

    def close(self) -> None:
        """Hear no more."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connect(self) -> Connection:
        with self._database.in_words():
            connection = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            # Nobody else shall have a connection that listens.
            connection.detach()
            connection.execute(text(f"LISTEN {CHANNEL}"))
            return connection
