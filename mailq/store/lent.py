"""Connections that a producer lends us. Nothing that would end his transaction reaches them, and our cursors know no types but ours."""

import json
from functools import cache
from typing import Any

from mailq.errors import Conflict
from mailq.store.faults import FAILED_TRANSACTION, NO_TRANSACTION

_JSON_OIDS = (114, 3802)
_IDLE, _ACTIVE, _IN_TRANSACTION, _FAILED = range(4)


class Lent:
    """A connection of psycopg2 or psycopg 3."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def __getattr__(self, name: str) -> Any:
        return getattr(self.driver, name)

    def commit(self) -> None:
        """Not ours to do."""

    def rollback(self) -> None:
        """Not ours to do."""

    def close(self) -> None:
        """Not ours to do."""


class LentPsycopg2(Lent):
    """A connection of psycopg2."""

    def cursor(self, *args: Any, **options: Any) -> Any:
        """A plain cursor, whatever the connection makes otherwise: rows are tuples, JSON is decoded."""
        from psycopg2 import extensions

        cursor = self.driver.cursor(*args, cursor_factory=extensions.cursor, **options)
        extensions.register_type(_decoded_json(), cursor)
        return cursor


class LentPsycopg(Lent):
    """A connection of psycopg 3."""

    def cursor(self, *args: Any, **options: Any) -> Any:
        """See `LentPsycopg2.cursor`."""
        return _plain(self.driver.cursor(*args, **options))


class LentAsyncPsycopg(LentPsycopg):
    """An asynchronous connection of psycopg 3."""

    async def commit(self) -> None:  # type: ignore[override]
        """Not ours to do."""

    async def rollback(self) -> None:  # type: ignore[override]
        """Not ours to do."""

    async def close(self) -> None:  # type: ignore[override]
        """Not ours to do."""


def require_transaction(driver: Any) -> None:
    """Refuse a connection in which our rows would not be the producer's to commit.

    Raises:
        Conflict: it is closed, busy, in autocommit without a transaction, or its transaction has failed.
    """
    if driver.closed:
        raise Conflict("the connection is closed")
    status = driver.info.transaction_status
    if status == _FAILED:
        raise Conflict(FAILED_TRANSACTION)
    if status == _IDLE and driver.autocommit:
        raise Conflict(NO_TRANSACTION)
    if status not in {_IDLE, _IN_TRANSACTION}:
        raise Conflict("the connection is busy with another statement; finish reading its result, or use a connection for each")


@cache
def _decoded_json() -> Any:
    from psycopg2 import extensions

    return extensions.new_type(_JSON_OIDS, "MAILQ_JSON", lambda value, _: None if value is None else json.loads(value))


def _plain(cursor: Any) -> Any:
    from psycopg import rows
    from psycopg.types import datetime
    from psycopg.types import json as json_types

    cursor.row_factory = rows.tuple_row
    for name, loader in (
        ("json", json_types.JsonLoader),
        ("jsonb", json_types.JsonbLoader),
        ("timestamptz", datetime.TimestamptzLoader),
    ):
        cursor.adapters.register_loader(name, loader)
    return cursor
