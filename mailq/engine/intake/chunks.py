"""Records cut into batches, and batches into chunks: what one transaction stores. Bounded by number and by size."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mailq.engine.intake.record import Part
from mailq.engine.intake.writing import Told, Writer
from mailq.store.recipients import Load

CHUNK_RECORDS = 10_000
CHUNK_CHARS = 4_000_000


@dataclass(slots=True)
class Chunk:
    """Whole batches, in order."""

    loads: list[Load] = field(default_factory=list)
    num_records: int = 0
    num_chars: int = 0

    def add(self, load: Load) -> None:
        """Put a batch in."""
        self.loads.append(load)
        self.num_records += load.num_profiles
        self.num_chars += load.num_chars

    @property
    def full(self) -> bool:
        """Whether it is large enough for a transaction of its own."""
        return self.num_records >= CHUNK_RECORDS or self.num_chars >= CHUNK_CHARS


def cut(parts: Iterable[Part], *, batch_size: int, first_seq: int = 1, told: Told | None = None) -> Iterator[Chunk]:
    """Every record as a row of a batch. A batch ends after `batch_size` records, or earlier where they are very large.

    Args:
        told: hears of each record that becomes no mail.
    """
    write = Writer(told).write
    chunk, load = Chunk(), Load(first_seq)
    for part in parts:
        begin = 0
        while begin < len(part):
            end = begin + batch_size - load.num_profiles
            write(part[begin:end], load)
            begin = end
            if load.num_profiles >= batch_size or load.num_chars >= CHUNK_CHARS:
                chunk.add(load)
                load = Load(load.next_seq)
                if chunk.full:
                    yield chunk
                    chunk = Chunk()
    if load.num_profiles:
        chunk.add(load)
    if chunk.loads:
        yield chunk
