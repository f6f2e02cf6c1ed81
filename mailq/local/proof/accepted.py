"""The sink's list, read on from where the last look ended."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple


class Mail(NamedTuple):
    """One accepted mail."""

    recipient: str
    at: datetime


@dataclass
class AcceptedList:
    """The list, and how far it was read. Only the lines behind are read, however long it grows."""

    path: Path
    offset: int = 0
    _reached: int = field(default=0, init=False)

    def rest(self) -> Iterator[Mail]:
        """The mails behind the mark; the mark stays."""
        self._reached = self.offset
        for line in self._lines():
            self._reached += len(line)
            at, recipient, *_ = line.decode().rstrip("\n").split("\t")
            yield Mail(recipient, datetime.fromisoformat(at))

    def move_on(self) -> None:
        """Put the mark behind what was read last: what has come since then is still to be looked at."""
        self.offset = self._reached

    def count(self) -> int:
        """How many mails are behind the mark."""
        return sum(1 for _ in self._lines())

    def _lines(self) -> Iterator[bytes]:
        """Whole lines; one that is still being written is left for the next look."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self.offset)
            for line in file:
                if line.endswith(b"\n"):
                    yield line
