"""A spool: an outbox in a file of its own, for a producer whose mailq is out of reach.

It is a database of SQLite with the table of every outbox, so whatever carries and lists outboxes carries and lists it. What was
committed is on the disk; what was torn by a power cut is taken back by SQLite's journal when the file is next opened.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateIndex, CreateTable

from mailq.errors import Misconfigured, Unavailable
from mailq.store.outbox import outbox
from mailq.store.outbox_database import OutboxDatabase

_WAIT_S = 30.0
"""For whoever else writes into it; nobody does for longer than a disk takes."""


class SpoolFile(OutboxDatabase):
    """A spool by its path; see `OutboxDatabase`. Nothing is opened yet, and nothing stays open between two transactions: threads and
    forked children may use it as they like.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path).absolute()
        self._url = URL.create("sqlite", database=str(self.path))
        self._engine = create_engine(self._url, poolclass=NullPool, hide_parameters=True, connect_args={"timeout": _WAIT_S})
        event.listen(self._engine, "connect", _write_through)

    @property
    def address(self) -> str:
        """Its path."""
        return str(self.path)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction: on the disk at the end, rolled back on any error.

        Raises:
            Unavailable: the file cannot be read or written, or is none of ours.
        """
        try:
            # Not by the way of databases elsewhere: whatever is wrong with a file of our own is a matter of the disk.
            with self._engine.begin() as tx:
                yield tx
        except DBAPIError as error:
            raise Unavailable(f"the spool {self.path} cannot be used: {error.orig}") from error

    def create(self) -> bool:
        """Make the file, which nobody else may read, and its table; False if they are there. Several may do so at once.

        Raises:
            Unavailable: it cannot be made.
        """
        made = self._touch()
        with self.begin() as tx:
            tx.execute(CreateTable(outbox, if_not_exists=True))
            for index in outbox.indexes:
                tx.execute(CreateIndex(index, if_not_exists=True))
        return made

    def require_table(self) -> None:
        """Refuse to look for a spool where there is none.

        Raises:
            Misconfigured: there is no such file, or it is no spool.
        """
        # SQLite would make a file that is missing.
        if not self.path.is_file():
            raise Misconfigured(f"there is no spool {self.path}")
        super().require_table()

    def _touch(self) -> bool:
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            return False
        except OSError as error:
            raise Unavailable(f"the spool {self.path} cannot be made: {error.strerror}") from error
        return True


def _write_through(connection: Any, _record: object) -> None:
    """A commit is on the disk, the end of its journal too: without that a power cut could take back the last one."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous = EXTRA")
    cursor.close()
