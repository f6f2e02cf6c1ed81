"""Fills a mailing within one transaction. While one chunk is on its way to the database, the next one is read."""

import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection

from mailq.engine.intake.chunks import cut
from mailq.engine.intake.record import Part
from mailq.store import recipients
from mailq.store.mailings import Mailing

MAX_ERRORS = 100
_TURN_S = 0.0005


@dataclass(slots=True)
class Filled:
    """What a mailing was filled with.

    Attributes:
        num_recipients: records of the source, those at fault included.
        num_invalid: those that get no mail, because they have no address or cannot be read.
        errors: the first `MAX_ERRORS` of them, as (line, reason).
    """

    num_recipients: int = 0
    num_invalid: int = 0
    errors: list[tuple[int, str]] = field(default_factory=list)

    def note_invalid(self, line: int, reason: str) -> None:
        """Count one that gets no mail."""
        self.num_invalid += 1
        if len(self.errors) < MAX_ERRORS:
            self.errors.append((line, reason))


def fill(tx: Connection, mailing: Mailing, parts: Iterable[Part]) -> Filled:
    """Store recipients behind those that a mailing has, as new batches. The caller counts them as loaded.

    Raises:
        Conflict: somebody else fills it as well.
        BadInput: the source cannot be read to its end, or PostgreSQL refuses a value.
        Unavailable: the database went away, or its disk is full.
    """
    filled, under_way = Filled(), None
    number = recipients.last_batch_number(tx, mailing.id) + 1
    chunks = cut(parts, batch_size=mailing.batch_size, first_seq=mailing.num_loaded + 1, told=filled.note_invalid)
    with quick_turns(), ThreadPoolExecutor(1, "fill") as writer:
        for chunk in chunks:
            _await(under_way)
            under_way = writer.submit(recipients.add_batches, tx, mailing.id, chunk.loads, number=number)
            number += len(chunk.loads)
            filled.num_recipients += chunk.num_records
        _await(under_way)
    return filled


def _await(under_way: "Future[None] | None") -> None:
    """Wait for a chunk; its error ends the reading too."""
    if under_way is not None:
        under_way.result()


class _Turns:
    """How long a thread keeps Python's lock while others want it: of the whole process, and so put back by the last of its users."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._before = 0.0

    def shorten(self) -> None:
        """One more wants short turns."""
        with self._lock:
            if not self._users:
                self._before = sys.getswitchinterval()
                sys.setswitchinterval(min(self._before, _TURN_S))
            self._users += 1

    def put_back(self) -> None:
        """One less."""
        with self._lock:
            self._users -= 1
            if not self._users:
                sys.setswitchinterval(self._before)


_turns = _Turns()


@contextmanager
def quick_turns() -> Iterator[None]:
    """Let the writers have Python's lock soon. They want it for microseconds, after every answer of the database; by default whoever
    parses keeps it for five milliseconds more, and a quarter of the time is spent waiting.
    """
    _turns.shorten()
    try:
        yield
    finally:
        _turns.put_back()
