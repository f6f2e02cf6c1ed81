"""Exports: read in one go into a temporary file, and sent from there while it grows, as slowly as the client likes."""

import asyncio
import csv
import io
import json
import os
import tempfile
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from itertools import islice
from typing import BinaryIO, cast

from anyio import CancelScope, CapacityLimiter, to_thread

from mailq.admin.mailings import Exported

_ROWS = 1000
_PIECE = 1 << 16

Encode = Callable[[list[Exported]], bytes]


def as_csv(rows: list[Exported]) -> bytes:
    """Lines of a table; a header stands before the first."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(map(_cells, rows))
    return text.getvalue().encode()


def as_ndjson(rows: list[Exported]) -> bytes:
    """An object a line."""
    return b"".join(_encode(row._asdict()).encode() + b"\n" for row in rows)


HEADER = ",".join(Exported._fields).encode() + b"\n"
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode


def _cells(row: Exported) -> Iterator[object]:
    for value in row:
        yield value.isoformat() if isinstance(value, datetime) else "" if value is None else value


class Spool:
    """A file that one thread writes and one client reads."""

    def __init__(self, head: bytes) -> None:
        self._file = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - closed by `pieces`
        self._file.write(head)
        self._file.flush()
        self._num_written = len(head)
        self._grown = asyncio.Event()
        self._left = False
        self._done = False

    async def pieces(self, rows: Iterable[Exported], encode: Encode, limiter: CapacityLimiter) -> AsyncGenerator[bytes]:
        """What is written, as it is written. Ends the reading of the rows if whoever iterates stops."""
        writing = asyncio.ensure_future(
            to_thread.run_sync(partial(self._write, iter(rows), encode, asyncio.get_running_loop()), limiter=limiter)
        )
        writing.add_done_callback(lambda _: self._note(self._num_written, done=True))
        num_sent = 0
        try:
            while not (self._done and num_sent == self._num_written):
                self._grown.clear()
                if num_sent == self._num_written:
                    await self._grown.wait()
                    continue
                piece = os.pread(self._file.fileno(), min(_PIECE, self._num_written - num_sent), num_sent)
                num_sent += len(piece)
                yield piece
            await writing
        finally:
            self._left = True
            with CancelScope(shield=True):
                await asyncio.wait([writing])
            self._file.close()

    def _write(self, rows: Iterator[Exported], encode: Encode, loop: asyncio.AbstractEventLoop) -> None:
        num_written = self._num_written
        while not self._left and (some := list(islice(rows, _ROWS))):
            num_written += self._append(encode(some))
            loop.call_soon_threadsafe(self._note, num_written)
        close = getattr(rows, "close", None)
        if close is not None:  # ends the transaction where the client has left
            close()

    def _append(self, encoded: bytes) -> int:
        self._file.write(encoded)
        self._file.flush()
        return len(encoded)

    def _note(self, num_written: int, *, done: bool = False) -> None:
        self._num_written = num_written
        self._done = self._done or done
        self._grown.set()
