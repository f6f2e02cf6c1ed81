"""COPY through whichever driver a connection has. Where the driver has none that we know, rows are inserted by the thousand."""

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.util import await_only

_AT_A_TIME = 1000
# Larger than any block we make, so that each is sent as it is.
_LARGEST_BLOCK = 1 << 24
_ESCAPED = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def copy(tx: Connection, table: str, columns: Sequence[tuple[str, str]], blocks: Iterable[bytes]) -> None:
    """Store lines of COPY's text format, in UTF-8. Each block is whole lines, and is made when PostgreSQL has room for it.

    Nothing else may use the connection meanwhile, so `blocks` runs no code but ours.

    Args:
        columns: each with its type.
    """
    names = ", ".join(name for name, _ in columns)
    statement = f"COPY {table} ({names}) FROM STDIN WITH (ENCODING 'UTF8')"
    driver = tx.connection.driver_connection
    match tx.dialect.driver, tx.dialect.is_async:
        case "psycopg2" | "psycopg2cffi", _:
            _by_psycopg2(driver, statement, blocks)
        case "psycopg", False:
            _by_psycopg(driver, statement, blocks)
        case "psycopg" | "psycopg_async", True:
            await_only(_by_psycopg_async(driver, statement, blocks))
        case "asyncpg", _:
            await_only(_by_asyncpg(driver, table, [name for name, _ in columns], blocks))
        case _:
            _by_insert(tx, table, columns, blocks)


class _Blocks(io.RawIOBase):
    """Blocks as the file that psycopg2 reads. It wraps what goes wrong in there in an error of its own: `fault` is the one meant."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self.fault: BaseException | None = None

    def read(self, _size: int = -1) -> bytes:
        """The next block."""
        try:
            return next(self._blocks, b"")
        except BaseException as error:
            self.fault = error
            raise


def _by_psycopg2(driver: Any, statement: str, blocks: Iterable[bytes]) -> None:
    source = _Blocks(blocks)
    try:
        with driver.cursor() as cursor:
            cursor.copy_expert(statement, source, _LARGEST_BLOCK)
    except Exception:
        if source.fault is not None:
            raise source.fault from None
        raise


def _by_psycopg(driver: Any, statement: str, blocks: Iterable[bytes]) -> None:
    with driver.cursor() as cursor, cursor.copy(statement) as copying:
        for block in blocks:
            copying.write(block)


async def _by_psycopg_async(driver: Any, statement: str, blocks: Iterable[bytes]) -> None:
    async with driver.cursor() as cursor, cursor.copy(statement) as copying:
        for block in blocks:
            await copying.write(block)


async def _by_asyncpg(driver: Any, table: str, names: list[str], blocks: Iterable[bytes]) -> None:
    async def each() -> Any:
        for block in blocks:
            yield block

    await driver.copy_to_table(table, source=each(), columns=names, format="text", encoding="UTF8")


def _by_insert(tx: Connection, table: str, columns: Sequence[tuple[str, str]], blocks: Iterable[bytes]) -> None:
    names = ", ".join(name for name, _ in columns)
    arrays = ", ".join(f"CAST(CAST(:{name} AS text[]) AS {kind}[])" for name, kind in columns)
    statement = text(f"INSERT INTO {table} ({names}) SELECT * FROM unnest({arrays})")  # noqa: S608 - our own names
    rows = _rows(blocks)
    while some := list(islice(rows, _AT_A_TIME)):
        given = zip(*some, strict=True)
        tx.execute(statement, {name: list(values) for (name, _), values in zip(columns, given, strict=True)})


def _rows(blocks: Iterable[bytes]) -> Iterator[list[str]]:
    for block in blocks:
        yield from ([_unescaped(field) for field in line.split("\t")] for line in block.decode().split("\n")[:-1])


def _unescaped(field: str) -> str:
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]), field) if "\\" in field else field
