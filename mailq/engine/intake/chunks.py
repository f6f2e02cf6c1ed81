"""Records cut into batches, and batches into chunks: what one transaction stores. Bounded by number and by size."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from mailq.core.address import InvalidAddress, normalise
from mailq.core.delivery import Skip
from mailq.engine.intake.record import Record
from mailq.store.recipients import Load, pending_row, skipped_row

CHUNK_RECORDS = 10_000
CHUNK_CHARS = 4_000_000

# Characters stay as they are: PostgreSQL stores UTF-8. No NaN: jsonb has none.
_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"))


def _fast_encoder() -> Callable[[Any], str]:
    """`_encoder.encode` makes its C encoder anew for every value, which is half of its time; made once, it is as good."""
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return _encoder.encode
    made = make(None, _encoder.default, json.encoder.encode_basestring, None, ":", ",", False, False, False)
    join = "".join
    return lambda value: join(made(value, 0))


_to_json = _fast_encoder()


@dataclass(slots=True)
class Chunk:
    """Whole batches, in order."""

    loads: list[Load] = field(default_factory=list)
    num_records: int = 0
    num_skipped: int = 0
    num_chars: int = 0

    def add(self, rows: list[str], num_skipped: int, num_chars: int) -> None:
        """Close a batch."""
        self.loads.append(Load(rows, num_skipped))
        self.num_records += len(rows)
        self.num_skipped += num_skipped
        self.num_chars += num_chars

    @property
    def full(self) -> bool:
        """Whether it is large enough for a transaction of its own."""
        return self.num_records >= CHUNK_RECORDS or self.num_chars >= CHUNK_CHARS


def cut(records: Iterable[Record], *, batch_size: int) -> Iterator[Chunk]:
    """Every record as a row of a batch. A batch ends after `batch_size` records, or earlier where they are very large."""
    chunk = Chunk()
    rows: list[str] = []
    num_skipped = num_chars = 0
    for record in records:
        row, skipped = row_of(record)
        rows.append(row)
        num_skipped += skipped
        num_chars += len(row)
        if len(rows) >= batch_size or num_chars >= CHUNK_CHARS:
            chunk.add(rows, num_skipped, num_chars)
            rows, num_skipped, num_chars = [], 0, 0
            if chunk.full:
                yield chunk
                chunk = Chunk()
    if rows:
        chunk.add(rows, num_skipped, num_chars)
    if chunk.loads:
        yield chunk


def row_of(record: Record) -> tuple[str, bool]:
    """A record as the ledger stores it, and whether it is skipped."""
    line, address, variables, fault = record
    if variables is not None:
        try:
            return pending_row(normalise(address).text, _to_json(variables)), False
        except InvalidAddress as error:
            fault = error.reason
    return skipped_row(address, Skip.INVALID, f"line {line}: {fault}"), True
