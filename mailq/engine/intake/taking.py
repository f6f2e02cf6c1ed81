"""Recipients of a program, taken over as they come: batches, and chunks of batches, bounded by number and by size."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from mailq.engine.intake.chunks import CHUNK_CHARS, CHUNK_RECORDS
from mailq.engine.intake.given import Part, take

_AT_A_TIME = 500
_FIRST = 50
_SLOW_S = 0.002
"""A producer who takes longer for each is waited for between statements, not within one: those have a time limit."""


@dataclass(slots=True)
class Batch:
    """The recipients of one batch, with seqs from `first_seq`."""

    first_seq: int
    parts: list[Part] = field(default_factory=list)
    num_profiles: int = 0
    num_chars: int = 0

    def add(self, part: Part) -> None:
        """Put some in."""
        self.parts.append(part)
        self.num_profiles += len(part)
        self.num_chars += part.num_chars

    @property
    def next_seq(self) -> int:
        """The seq behind them."""
        return self.first_seq + self.num_profiles


class Chunk(list[Batch]):
    """Whole batches, in order: what is stored at a time."""

    @property
    def full(self) -> bool:
        """Whether no further batch may be put in."""
        return sum(batch.num_profiles for batch in self) >= CHUNK_RECORDS or sum(batch.num_chars for batch in self) >= CHUNK_CHARS


class Taking:
    """Takes recipients over, a few hundred at a time."""

    def __init__(self, recipients: Iterable[Any], *, batch_size: int) -> None:
        self._recipients = iter(recipients)
        self._batch_size = batch_size
        self._batch = Batch(1)
        self._chunk = Chunk()
        self._ended = self._is_slow = False
        self._most = _FIRST

    @property
    def num_taken(self) -> int:
        """How many so far."""
        return self._batch.next_seq - 1

    def next_chunk(self) -> Chunk:
        """The next batches; none when all have been taken. Of a slow producer one at a time, so that his transaction never rests long."""
        while not (self._ended or self._chunk.full or (self._chunk and self._is_slow)):
            self._go_on()
        chunk, self._chunk = self._chunk, Chunk()
        return chunk

    def ahead(self) -> None:
        """Take some for the next chunk, so that they are there when it is asked for; unless that takes long."""
        if not (self._ended or self._chunk.full or self._is_slow):
            self._go_on()

    def _go_on(self) -> None:
        batch, began_s = self._batch, time.monotonic()
        part = take(islice(self._recipients, min(self._most, self._batch_size - batch.num_profiles)), batch.next_seq)
        self._is_slow = time.monotonic() - began_s > _SLOW_S * len(part)
        if part:
            batch.add(part)
            # Of large ones fewer at a time.
            self._most = max(1, min(_AT_A_TIME, CHUNK_CHARS * len(part) // (4 * part.num_chars or 1)))
        self._ended = not part
        full = batch.num_profiles >= self._batch_size or batch.num_chars >= CHUNK_CHARS
        if batch.num_profiles and (full or self._ended):
            self._chunk.append(batch)
            self._batch = Batch(batch.next_seq)
