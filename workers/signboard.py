"""A mapped file by which the processes of a server tell each other what is so: stop, until when it may send, who lives.

Service managers signal the whole process group, and a pool child would die of SIGTERM in the middle of a message; so worker
processes ignore the signal and look here. The lease stands here too: the warden writes it, every session reads it before a
message begins and before its final dot. Its processes may be stopped or killed in the middle of a write, so the lease carries
a check word; a half-written one reads as run out.
"""

import mmap
import os
import struct
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_STOP = 0
_LEASE_AT = 8
_LEASE = struct.Struct("<QdQ")
_CHECK = struct.Struct("<I")
_LEASE_END = _LEASE_AT + _LEASE.size + _CHECK.size
_STAMP = struct.Struct("<Q")
_MAIN_AT = 64
_WARDEN_AT = 72
_SIZE = 80
_READS = 16


@dataclass(frozen=True, slots=True)
class Lease:
    """Which incarnation may send until when.

    Attributes:
        deadline_s: on CLOCK_BOOTTIME, which suspend does not stop.
        beat: the renewals that the server's row counted when it was granted.
    """

    incarnation: int
    deadline_s: float
    beat: int


EXPIRED = Lease(0, 0.0, 0)


def boottime_s() -> float:
    """The clock of deadlines: seconds since the boot, suspend included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def pulse_path(board: Path) -> Path:
    """The file beside a board whose time a health check reads. The board's own tells nothing: every write through a mapping moves it."""
    return board.with_suffix(".pulse")


class Signboard:
    """The mapping is inherited by the worker processes when they fork; the warden opens the file.

    One process at a time writes a lease: the main process before it starts the warden, then the warden.
    """

    def __init__(self, path: Path, mapped: mmap.mmap) -> None:
        self.path = path
        self._mapped = mapped
        # The lease is asked for twice a message and changes every few seconds: what was read last is not read again.
        # In one, so that no thread sees what another one read with the lease of before.
        self._read = (b"", EXPIRED)

    @classmethod
    def create(cls, path: Path) -> Self:
        """Make a fresh board that says nothing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        # A former board of this name may still be mapped by somebody: theirs stays theirs.
        path.unlink(missing_ok=True)
        path.write_bytes(bytes(_SIZE))
        pulse_path(path).touch()
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Map a board that another process made."""
        with path.open("r+b") as file:
            return cls(path, mmap.mmap(file.fileno(), _SIZE))

    @property
    def says_stop(self) -> bool:
        """Whether the server should come to an end."""
        return self._mapped[_STOP] != 0

    def say_stop(self) -> None:
        """Tell every process of this server to begin nothing new. Safe in a signal handler."""
        self._mapped[_STOP] = 1

    @property
    def lease(self) -> Lease:
        """The lease as it was granted last; `EXPIRED` if none was, or if its writer died over it."""
        for _ in range(_READS):
            octets = self._mapped[_LEASE_AT:_LEASE_END]
            read, lease = self._read
            if octets == read:
                return lease
            if _CHECK.unpack_from(octets, _LEASE.size)[0] == zlib.crc32(octets[: _LEASE.size]):
                lease = Lease(*_LEASE.unpack_from(octets))
                self._read = octets, lease
                return lease
            # Most likely it is being written this very moment.
        return EXPIRED

    def grant(self, lease: Lease) -> None:
        """Show a lease."""
        octets = _LEASE.pack(lease.incarnation, lease.deadline_s, lease.beat)
        self._mapped[_LEASE_AT:_LEASE_END] = octets + _CHECK.pack(zlib.crc32(octets))

    def may_send(self, incarnation: int) -> bool:
        """Whether this incarnation holds the lease, and its deadline is ahead."""
        shown = self.lease
        return shown.incarnation == incarnation and boottime_s() < shown.deadline_s

    @property
    def main_seen_s(self) -> float:
        """When the main process was last seen at work, on CLOCK_BOOTTIME."""
        return self._stamp(_MAIN_AT)

    def show_life(self) -> None:
        """Stamp the main process's life, here and in the time of a file that a health check reads."""
        self._set_stamp(_MAIN_AT)
        with suppress(FileNotFoundError):
            os.utime(pulse_path(self.path))

    @property
    def warden_seen_s(self) -> float:
        """When the warden was last seen at work, on CLOCK_BOOTTIME."""
        return self._stamp(_WARDEN_AT)

    def show_warden(self) -> None:
        """Stamp the warden's life."""
        self._set_stamp(_WARDEN_AT)

    def take_down(self) -> None:
        """Remove the files; processes that map the board still read it."""
        self.path.unlink(missing_ok=True)
        pulse_path(self.path).unlink(missing_ok=True)

    def _stamp(self, place: int) -> float:
        nanoseconds: int = _STAMP.unpack_from(self._mapped, place)[0]
        return nanoseconds / 1e9

    def _set_stamp(self, place: int) -> None:
        # Eight aligned bytes are written at once.
        _STAMP.pack_into(self._mapped, place, time.clock_gettime_ns(time.CLOCK_BOOTTIME))
