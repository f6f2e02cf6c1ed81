"""The sink's list, read on from where the last look ended."""

from collections.abc import Iterator
from dataclasses import dataclass
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

    def rest(self) -> Iterator[Mail]:
        """The mails behind the mark; the mark stays."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            for line in file:
                if line.endswith(b"\n"):
                    at, recipient, *_ = line.decode().rstrip("\n").split("\t")
                    yield Mail(recipient, datetime.fromisoformat(at))

    def move_on(self) -> None:
        """Put the mark behind all that is there."""
        self.offset = self.path.stat().st_size if self.path.exists() else 0

    def count(self) -> int:
        """How many mails are behind the mark."""
        if not self.path.exists():
            return 0
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return sum(1 for _ in file)
