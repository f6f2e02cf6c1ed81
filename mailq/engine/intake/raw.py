"""The bytes of a source: opened once, unpacked if need be, surveyed whole before anything is stored."""

import codecs
import gzip
import hashlib
import io
import os
import stat
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from mailq.errors import BadInput

_BLOCK = 1 << 18
_GZIP = b"\x1f\x8b"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class Survey:
    """What one reading of the whole content tells: SHA-256 (unpacked), length in bytes (unpacked), and encoding."""

    digest: str
    size_bytes: int
    encoding: str


class RawSource:
    """A readable, rewindable stream of bytes; what is packed with gzip comes out unpacked."""

    def __init__(self, file: BinaryIO, where: str) -> None:
        self.where = where
        self._file = file
        self.total_bytes = os.fstat(file.fileno()).st_size
        self.packed = _peek(file, 2) == _GZIP

    @property
    def bytes_read(self) -> int:
        """How far the file has been read, in its own (packed) bytes."""
        return min(self._file.tell(), self.total_bytes)

    def rewind(self) -> BinaryIO:
        """The content from its beginning; earlier streams of it are void."""
        self._file.seek(0)
        return cast("BinaryIO", gzip.GzipFile(fileobj=self._file, mode="rb")) if self.packed else self._file

    def head(self, size: int) -> bytes:
        """The first bytes of the content."""
        with reading(self.where):
            return self.rewind().read(size)

    def survey(self) -> Survey:
        """Read everything once.

        Raises:
            BadInput: the content is binary, packed badly, or not in an encoding we take.
        """
        encoding = self._encoding()
        digest, size, lines = hashlib.sha256(), 0, _LineCount()
        decoder = codecs.getincrementaldecoder(encoding)("strict")
        with reading(self.where):
            stream = self.rewind()
            while block := stream.read(_BLOCK):
                self._check(decoder, block, size, lines, encoding)
                digest.update(block)
                size += len(block)
            self._check(decoder, b"", size, lines, encoding)
        return Survey(digest.hexdigest(), size, encoding)

    def _check(self, decoder: codecs.IncrementalDecoder, block: bytes, before: int, lines: "_LineCount", encoding: str) -> None:
        held = len(decoder.getstate()[0])
        try:
            lines.add(decoder.decode(block, not block))
        except UnicodeDecodeError as error:
            lines.add(error.object[: error.start].decode(encoding, "ignore"))
            raise BadInput(_misencoded(self.where, error, before - held + error.start, lines.here)) from None

    def _encoding(self) -> str:
        start = self.head(8192)
        for bom, encoding in _BOMS:
            if start.startswith(bom):
                return encoding
        if start.startswith(b"PK\x03\x04"):
            raise BadInput(f"{self.where} is a spreadsheet or a zip archive; save the sheet as CSV (UTF-8) and submit that")
        if b"\0" in start:
            raise BadInput(
                f"{self.where} is a binary file (NUL byte at offset {start.index(0)}); recipients come as CSV or JSONL text"
            )
        return "utf-8"

    def close(self) -> None:
        """Let go of the file; a spooled one is gone with that."""
        self._file.close()


class Meter(io.RawIOBase):
    """A stream that digests what passes, so that a file that changes between two readings is noticed."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        """Always: it is made to be read."""
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        """Read into `buffer`; how many bytes."""
        block = self._stream.read(len(buffer))
        buffer[: len(block)] = block
        self.digest.update(block)
        return len(block)


class _LineCount:
    """The line number at the end of a text that comes in pieces; `\\r` counts where there is no `\\n` at all."""

    def __init__(self) -> None:
        self._feeds = self._returns = 0

    def add(self, text: str) -> None:
        self._feeds += text.count("\n")
        self._returns += text.count("\r")

    @property
    def here(self) -> int:
        return (self._feeds or self._returns) + 1


def open_raw(path: Path | None) -> RawSource:
    """Open a file, or standard input for None. What cannot be read twice (a pipe) is spooled to a temporary file first.

    Raises:
        BadInput: there is no such file, or it cannot be read.
    """
    if path is None:
        return RawSource(_spool(sys.stdin.buffer, "standard input"), "standard input")
    where = str(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise BadInput(f"{where} is a directory; name a CSV or JSONL file in it")
        file = path.open("rb")
    except FileNotFoundError:
        raise BadInput(f"{where}: no such file") from None
    except (OSError, ValueError) as error:
        raise BadInput(f"{where} cannot be read: {_why(error)}") from None
    return RawSource(file if stat.S_ISREG(mode) else _spool(file, where), where)


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Say what is wrong with the bytes, in a sentence.

    Raises:
        BadInput: gzip data that breaks off or is corrupt, an I/O error of the disk.
    """
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadInput(f"{where} is damaged: as gzip data it cannot be unpacked ({error}); pack it again") from None
    except UnicodeDecodeError as error:
        raise BadInput(f"{where} changed while it was read ({error.reason}); submit it again when it is complete") from None
    except OSError as error:
        raise BadInput(f"{where} cannot be read: {_why(error)}") from None


def _spool(stream: BinaryIO, where: str) -> BinaryIO:
    spooled = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as its source
    try:
        while block := stream.read(_BLOCK):
            spooled.write(block)
        spooled.flush()
    except OSError as error:
        spooled.close()
        raise BadInput(f"{where} cannot be kept in {tempfile.gettempdir()}: {_why(error)}") from None
    return cast("BinaryIO", spooled)


def _peek(file: BinaryIO, size: int) -> bytes:
    file.seek(0)
    return file.read(size)


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _misencoded(where: str, error: UnicodeDecodeError, offset: int, line: int) -> str:
    if error.encoding.startswith("utf-8") or error.encoding == "utf-8-sig":
        byte = error.object[error.start]
        return (
            f"{where} is not UTF-8: byte 0x{byte:02x} at offset {offset} in line {line} ({error.reason}); it may be Windows-1252 or "
            f"Latin-1: convert it, for example with `iconv -f WINDOWS-1252 -t UTF-8`"
        )
    return f"{where} is not the {error.encoding} its first bytes promise: offset {offset} in line {line} ({error.reason})"
