"""The outbox of a producer whose data are in another database than mailq's."""

from typing import Any


class Outbox:
    """A door into the producer's own database: `Client(Outbox(connection))`.

    What is submitted and sent is written into the table `mailq_outbox` there, in the producer's transaction, and goes to mailq when
    he has committed; `mailqctl outbox relay` carries it. Everything is checked when it is written, as it is by the other doors.

    Args:
        connection: a `Session` or a `Connection` of SQLAlchemy, for an `AsyncClient` an `AsyncSession` or an `AsyncConnection`; or a
            connection of a driver that keeps to PEP 249, such as sqlite3, PyMySQL, mysqlclient, psycopg2 or psycopg.
    """

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def __repr__(self) -> str:
        return f"Outbox({type(self.connection).__name__})"
