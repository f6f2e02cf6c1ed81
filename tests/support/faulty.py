"""A database whose COMMITs go unanswered."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from mailq.errors import Unavailable
from mailq.store.database import Database


class FaultyDatabase(Database):
    """A database whose connection breaks when the next transaction commits: before it took place, or after.

    `away` further transactions find it not answering.
    """

    breaks: str | None = None
    away = 0

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction; it may fail as it was told to.

        Raises:
            Unavailable: as told.
        """
        if self.breaks is None and self.away:
            self.away -= 1
            raise Unavailable("the database is away")
        breaks, self.breaks = self.breaks, None
        if breaks is None:
            with super().begin() as tx:
                yield tx
            return
        with self.engine.connect() as connection:
            yield connection
            (connection.commit if breaks == "after" else connection.rollback)()
        raise Unavailable("the connection broke while committing")
