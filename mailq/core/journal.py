"""What a journal's records prove about the letters of a worker process that is dead.

S stands before a final dot, A where that dot was not sent after all, R with the code after its reply. Every record names batch,
fence, seq and the try, so that records of an earlier pass or an earlier try prove nothing about this one.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

_BODY = struct.Struct("<BxHIIIQ")
_CHECKSUM = struct.Struct("<I")
RECORD_SIZE = _BODY.size + _CHECKSUM.size
"""Bytes of a record on disk: 28."""


class Mark(IntEnum):
    """What a record says."""

    STARTED = ord("S")
    ABANDONED = ord("A")
    REPLIED = ord("R")


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the journal.

    Attributes:
        attempt: which dot for this delivery in this pass, counted from 1.
        code: the reply's, in a record of `REPLIED`.
    """

    mark: Mark
    batch_id: int
    fence: int
    seq: int
    attempt: int
    code: int = 0

    def pack(self) -> bytes:
        """The record as it stands in the file."""
        return pack(self.mark, self.batch_id, self.fence, self.seq, self.attempt, self.code)


def pack(mark: int, batch_id: int, fence: int, seq: int, attempt: int, code: int = 0) -> bytes:  # noqa: PLR0917 - called hot
    """A record as it stands in the file, without making one first: this runs twice for every mail."""
    body = _BODY.pack(mark, code, fence, seq, attempt, batch_id)
    return body + _CHECKSUM.pack(zlib.crc32(body))


class TornJournal(ValueError):
    """A record in the middle is damaged: the file proves nothing."""


def unpack(octets: bytes) -> Iterator[Record]:
    """The records of a file behind its header. They end where zeros begin: room that nothing was noted in yet.

    Raises:
        TornJournal: a record does not match its checksum.
    """
    noted = len(octets.rstrip(b"\0"))
    for start in range(0, noted, RECORD_SIZE):
        if start + RECORD_SIZE > len(octets):
            raise TornJournal(f"the record at byte {start} is incomplete")
        body = octets[start : start + _BODY.size]
        (checksum,) = _CHECKSUM.unpack_from(octets, start + _BODY.size)
        if zlib.crc32(body) != checksum:
            raise TornJournal(f"the record at byte {start} is damaged")
        mark, code, fence, seq, attempt, batch_id = _BODY.unpack(body)
        yield Record(Mark(mark), batch_id, fence, seq, attempt, code)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a complete journal knows of one delivery: `code` if its reply came, else whether its last dot may have left."""

    dot_left: bool
    code: int | None = None


def evidence(records: Iterable[Record], *, batch_id: int, fence: int) -> dict[int, Evidence]:
    """The evidence about one pass, by seq. A delivery that is not in it was never sent."""
    last: dict[int, Record] = {}
    for record in records:
        if record.batch_id == batch_id and record.fence == fence:
            known = last.get(record.seq)
            if known is None or record.attempt >= known.attempt:
                last[record.seq] = record
    return {seq: _evidence(record) for seq, record in last.items()}


def _evidence(record: Record) -> Evidence:
    match record.mark:
        case Mark.REPLIED:
            return Evidence(dot_left=True, code=record.code)
        case Mark.ABANDONED:
            return Evidence(dot_left=False)
        case _:
            return Evidence(dot_left=True)
