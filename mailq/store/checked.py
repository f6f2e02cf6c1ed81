"""A database whose schema is looked at once, before the first transaction."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from mailq.store.database import Database
from mailq.store.faults import in_a_producers_words
from mailq.store.revision import require_up_to_date


class Checked:
    """Transactions of a database, as `Transactions` has them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._fits = False

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """See `Database.begin`.

        Raises:
            Misconfigured: the schema is not that of this version, or this user may not do what is asked.
            Unavailable: the database does not answer.
            BadInput: it refuses a value.
        """
        if not self._fits:
            require_up_to_date(self._database)
            self._fits = True
        with self._database.begin() as tx, in_a_producers_words():
            yield tx
