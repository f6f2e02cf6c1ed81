"""Uploads on their way: kept in a temporary file until they are whole, so that no transaction waits for a client."""

import tempfile
import zlib
from typing import BinaryIO, cast

from anyio import to_thread
from fastapi import Request

from mailq.errors import Unavailable
from mailq.web.api.bodies import pieces
from mailq.web.api.problems import Problem, unfit

NDJSON = "application/x-ndjson"
CSV = "text/csv"
SUFFIXES = {NDJSON: ".jsonl", CSV: ".csv"}

_PIECE = 1 << 18
_GZIP = b"\x1f\x8b"
_GZIP_WINDOW = zlib.MAX_WBITS | 16


async def spool(request: Request, *, most_bytes: int) -> BinaryIO:
    """The whole body in a file that is gone when it is closed.

    Raises:
        Problem: it is too large once it is unpacked, cannot be unpacked, or is packed without saying so.
        ClientDisconnect: the client has left; nothing is left of its body.
        Unavailable: there is no room for it.
    """
    unpacker = _unpacker(request, most_bytes)
    try:
        file = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - lives as long as its source
    except OSError as error:
        raise _no_room(error) from None
    try:
        async for piece in pieces(request):
            await _write(file, piece, unpacker)
        if unpacker is not None:
            unpacker.finish()
        _require_plain(file)
    except OSError as error:
        file.close()
        raise _no_room(error) from None
    except BaseException:
        file.close()
        raise
    return file


def _no_room(error: OSError) -> Unavailable:
    return Unavailable(f"an upload cannot be kept in {tempfile.gettempdir()}: {error.strerror}")


async def _write(file: BinaryIO, piece: bytes, unpacker: "Unpacker | None") -> None:
    if unpacker is None:
        file.write(piece)
    else:  # a little that is packed may be a thousand times as much
        await to_thread.run_sync(_unpack, file, piece, unpacker)


def _unpack(file: BinaryIO, piece: bytes, unpacker: "Unpacker") -> None:
    for part in unpacker.feed(piece):
        file.write(part)


def _require_plain(file: BinaryIO) -> None:
    """The intake would unpack it too, and without a limit."""
    file.seek(0)
    if file.read(2) == _GZIP:
        raise unfit("the body is packed; say so: Content-Encoding: gzip", {"header": "Content-Encoding", "detail": "is missing"})


def _unpacker(request: Request, most_bytes: int) -> "Unpacker | None":
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "identity":
        return None
    if encoding not in {"gzip", "x-gzip"}:
        raise Problem(415, "an upload is packed with gzip, or not at all", headers={"Accept-Encoding": "gzip, identity"})
    return Unpacker(most_bytes)


class Unpacker:
    """Unpacks gzip a piece at a time, and no more of it than is allowed."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._num_bytes = 0
        self._member = zlib.decompressobj(_GZIP_WINDOW)
        self._begun = False

    def feed(self, piece: bytes) -> "list[bytes]":
        """What a piece holds.

        Raises:
            Problem: it is no gzip, or holds too much.
        """
        found = []
        while piece:
            if self._member.eof:  # another member follows, as `cat a.gz b.gz` makes them
                self._member = zlib.decompressobj(_GZIP_WINDOW)
            try:
                part = self._member.decompress(piece, _PIECE)
            except zlib.error:
                raise Problem(400, "the body cannot be unpacked: it is no gzip") from None
            self._begun = True
            self._num_bytes += len(part)
            if self._num_bytes > self._most_bytes:
                raise Problem(413, f"the body is larger than {self._most_bytes:,} bytes once it is unpacked")
            found.append(part)
            piece = self._member.unconsumed_tail or self._member.unused_data
        return found

    def finish(self) -> None:
        """The end is here.

        Raises:
            Problem: something is missing.
        """
        if not (self._begun and self._member.eof):
            raise Problem(400, "the body cannot be unpacked: it breaks off")
