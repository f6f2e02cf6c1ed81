"""A mapped file that the main process writes and its worker processes read: how they learn that they should stop.

Service managers signal the whole process group, and a pool child would die of SIGTERM in the middle of a message; so
worker processes ignore the signal and look here.
"""

import mmap
import os
from contextlib import suppress
from pathlib import Path
from typing import Self

_SIZE = 16
_STOP = 0


class Signboard:
    """One byte says stop. The mapping is inherited by the worker processes when they fork."""

    def __init__(self, path: Path, mapped: mmap.mmap) -> None:
        self.path = path
        self._mapped = mapped

    @classmethod
    def create(cls, path: Path) -> Self:
        """Make a fresh board that says nothing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(_SIZE))
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

    def show_life(self) -> None:
        """Touch the file: a health check reads in its time when the main process was last seen at work."""
        with suppress(FileNotFoundError):
            os.utime(self.path)

    def take_down(self) -> None:
        """Remove the file; processes that map it still read it."""
        self.path.unlink(missing_ok=True)
