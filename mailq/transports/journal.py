"""A worker process's journal: a file of its own that survives `kill -9`, so that its reclaimer knows which dots had left.

The header names the database, this boot of the host, the incarnation and a nonce; the file is created exclusively and locked
(`flock`) for the life of its process. A copy is not locked though the process lives, and lacks what came after it: hence the
identity of the file.

Records are stored through a mapping, in room that the disk has promised before: what is stored there belongs to the system, so it
outlives the process as a write would, and a note costs no system call. It does not outlive a power cut: hence the boot id.
"""

import fcntl
import mmap
import os
import secrets
import struct
import zlib
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Self

from mailq.core.journal import RECORD_SIZE, Mark, Record, TornJournal, pack, unpack
from mailq.transports.file_identity import FileIdentity

_HEADER = struct.Struct("<8s36s36sQ32sQQ")
_CHECKSUM = struct.Struct("<I")
HEADER_SIZE = 160
_MAGIC = b"MAILQ-J3"
SUFFIX = ".journal"
_ROOM = 64 * 1024
"""Bytes at the start: what a batch of a thousand deliveries needs. It grows by doubling."""
_STARTED, _ABANDONED, _REPLIED = (int(mark) for mark in (Mark.STARTED, Mark.ABANDONED, Mark.REPLIED))
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@cache
def boot_id() -> str:
    """This boot of the host: what was written but not synced before another one may be gone."""
    return _BOOT_ID.read_text().strip()


@dataclass(frozen=True, slots=True)
class Header:
    """Whose journal it is; equal headers mean the same journal.

    Attributes:
        file: the file that its process wrote; a copy has the same header and is another file.
    """

    database: str
    boot: str
    incarnation: int
    nonce: str
    file: FileIdentity = field(default=FileIdentity(), compare=False)

    def pack(self) -> bytes:
        """The header as it stands in the file."""
        body = _HEADER.pack(_MAGIC, self.database.encode(), self.boot.encode(), self.incarnation, self.nonce.encode(), *self.file)
        return (body + _CHECKSUM.pack(zlib.crc32(body))).ljust(HEADER_SIZE, b"\0")

    @classmethod
    def unpack(cls, octets: bytes) -> Self:
        """Read a header.

        Raises:
            TornJournal: it is none, or damaged.
        """
        if len(octets) < HEADER_SIZE:
            raise TornJournal("the header is incomplete")
        (checksum,) = _CHECKSUM.unpack_from(octets, _HEADER.size)
        magic, database, boot, incarnation, nonce, device, inode = _HEADER.unpack_from(octets)
        if magic != _MAGIC or zlib.crc32(octets[: _HEADER.size]) != checksum:
            raise TornJournal("the header is no header of ours")
        return cls(database.decode(), boot.decode(), incarnation, nonce.decode(), FileIdentity(device, inode))


class JournalFile:
    """The journal of the calling process.

    Raises:
        OSError: the disk is full or gone. No dot may leave then.
    """

    def __init__(self, path: Path, header: Header) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        # Locked and headed before it gets its name: nobody finds a journal that looks like a dead process's and is none.
        unnamed = path.with_suffix(".new")
        self._descriptor = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.header = replace(header, file=FileIdentity.of(self._descriptor))
            os.posix_fallocate(self._descriptor, 0, _ROOM)
            self._mapped = mmap.mmap(self._descriptor, _ROOM)
            self._mapped[:HEADER_SIZE] = self.header.pack()
            os.link(unnamed, path)
        except BaseException:
            os.close(self._descriptor)
            raise
        finally:
            unnamed.unlink(missing_ok=True)
        self._room = _ROOM
        self._end = HEADER_SIZE

    @classmethod
    def create(cls, directory: Path, *, database: str, incarnation: int) -> Self:
        """A journal of a new nonce, which is its name: `batch.journal` of what the process claims names it, too."""
        nonce = secrets.token_hex(16)
        return cls(directory / f"{nonce}{SUFFIX}", Header(database, boot_id(), incarnation, nonce))

    @property
    def nonce(self) -> str:
        """Its name; a claim names it."""
        return self.header.nonce

    def started(self, batch_id: int, fence: int, seq: int, attempt: int) -> None:
        """Note that a final dot is about to leave."""
        self._note(pack(_STARTED, batch_id, fence, seq, attempt))

    def abandoned(self, batch_id: int, fence: int, seq: int, attempt: int) -> None:
        """Note that this try came to nothing for certain."""
        self._note(pack(_ABANDONED, batch_id, fence, seq, attempt))

    def replied(self, batch_id: int, fence: int, seq: int, attempt: int, code: int) -> None:
        """Note the relay's reply to it."""
        self._note(pack(_REPLIED, batch_id, fence, seq, attempt, code))

    def records(self) -> tuple[Record, ...]:
        """What is noted, for the process's own use.

        Raises:
            TornJournal: the file is damaged.
        """
        return tuple(unpack(self._mapped[HEADER_SIZE:]))

    def discard(self) -> None:
        """Forget the records of a pass whose last commit was acknowledged: the file never grows beyond one batch."""
        self._mapped[HEADER_SIZE : self._end] = bytes(self._end - HEADER_SIZE)
        self._end = HEADER_SIZE

    def close(self, *, remove: bool) -> None:
        """Let go of the file; remove it when the ledger knows everything it says."""
        if remove:
            self.path.unlink(missing_ok=True)
        # The mapping holds the file open too, and its lock with it.
        self._mapped.close()
        os.close(self._descriptor)

    def _note(self, octets: bytes) -> None:
        end = self._end + RECORD_SIZE
        if end > self._room:
            self._grow()
        self._mapped[self._end : end] = octets
        self._end = end

    def _grow(self) -> None:
        # Room that the disk has not promised would be missed in the middle of a store, and end the process.
        os.posix_fallocate(self._descriptor, 0, 2 * self._room)
        self._mapped.resize(2 * self._room)
        self._room *= 2


@dataclass(frozen=True, slots=True)
class Found:
    """A dead process's journal, complete."""

    header: Header
    records: tuple[Record, ...]


def read_dead(path: Path, expected: Header) -> Found | None:
    """Read the journal of a process that is dead, if it is the very file its lease names; None where it proves nothing.

    It proves nothing when it is missing, damaged, a copy, of another database, boot or incarnation, or when its process lives: the
    lock is still held then.
    """
    try:
        found = read_any_dead(path)
    except (OSError, TornJournal):
        return None
    return found if found.header == expected else None


def read_any_dead(path: Path) -> Found:
    """Read the journal of a dead process, whosever it is.

    Raises:
        BlockingIOError: its process lives.
        FileNotFoundError: it is missing.
        TornJournal: it is damaged, or a copy.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        octets = _read_all(descriptor)
        header = Header.unpack(octets)
        if len(octets) % _ROOM:
            raise TornJournal("its end is missing")
        if header.file != FileIdentity.of(descriptor):
            raise TornJournal("it is a copy, and not the file that its process wrote")
        return Found(header, tuple(unpack(octets[HEADER_SIZE:])))
    except ValueError as error:
        raise TornJournal(str(error)) from None
    finally:
        os.close(descriptor)


def _read_all(descriptor: int) -> bytes:
    pieces = []
    while piece := os.read(descriptor, 1 << 20):
        pieces.append(piece)
    return b"".join(pieces)
