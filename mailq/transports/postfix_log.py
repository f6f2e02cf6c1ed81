"""Reads the log of a Postfix: which envelope senders it has queued. Positive evidence only.

The queue manager names a message's sender when it has the message in its queue, which is after the queue file was committed:
`… postfix/qmgr[17]: 4F2A1B3C4D: from=<bounces+…@example.com>, size=1234, nrcpt=1 (queue active)`.
"""

import gzip
import os
import re
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from mailq.errors import Unavailable

_LONGEST_LINE = 8192
_GZIP = b"\x1f\x8b"
# Anchored at the date: what a stranger got logged further behind (a HELO name, a subject) is no evidence. Both forms of date
# that syslog and Postfix write, and any instance's name: `postfix/qmgr`, `postfix-out/qmgr`.
_STAMP = rb"(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)"
_LINE = re.compile(_STAMP + rb" \S+ [^\s:\[]+(?:\[\d+\])?: ")
_QUEUED = re.compile(_STAMP + rb" \S+ \S+/qmgr\[\d+\]: ([0-9A-Za-z]{6,32}): from=<([^>]*)>, size=\d+, nrcpt=\d+ \(queue active\)")


@dataclass(slots=True)
class Scanned:
    """What was read: lines in all, and odd ones that were passed over because no syslog writes such."""

    num_lines: int = 0
    num_odd: int = 0


@dataclass(slots=True)
class _Place:
    """How far a log was read, and for whom."""

    inode: int = -1
    offset: int = 0
    senders: frozenset[str] = frozenset()


@dataclass(slots=True)
class PostfixLog:
    """A log file, plain or compressed by gzip. Asked again for the same senders, it reads only what has been added since.

    Attributes:
        path: the file; when it is plain, `path.1`, to which it may just have been rotated, is read before it.
        scanned: counts what was read.
    """

    path: Path
    scanned: Scanned = field(default_factory=Scanned)
    _place: _Place = field(default_factory=_Place)

    def require_readable(self) -> None:
        """Look whether it can be read at all.

        Raises:
            Unavailable: it cannot.
        """
        with _told_in_words(self.path), _opened(self.path):
            pass

    def queued(self, senders: Collection[str]) -> dict[str, str]:
        """Those of these envelope senders that Postfix had in its queue, with the queue's name for the message.

        Raises:
            Unavailable: the log cannot be read.
        """
        wanted = {sender.lower().encode(): sender for sender in senders}
        found = {}
        for queue_id, sender in self._lines(frozenset(senders)):
            if sender.lower() in wanted:
                found[wanted[sender.lower()]] = queue_id.decode()
        return found

    def _lines(self, senders: frozenset[str]) -> Iterator[tuple[bytes, bytes]]:
        with _told_in_words(self.path), _opened(self.path) as (file, compressed):
            known, status = self._place, os.fstat(file.fileno())
            if not compressed and (known.inode, known.senders | senders) == (status.st_ino, known.senders):
                file.seek(known.offset if known.offset <= status.st_size else 0)
            elif not compressed:
                yield from self._rotated()
            yield from self._scan(file)
            self._place = _Place(status.st_ino, 0 if compressed else file.tell(), senders)

    def _rotated(self) -> Iterator[tuple[bytes, bytes]]:
        before = self.path.with_name(f"{self.path.name}.1")
        if before.is_file():
            with _told_in_words(before), _opened(before) as (file, _):
                yield from self._scan(file)

    def _scan(self, file: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
        while line := file.readline(_LONGEST_LINE):
            if not line.endswith(b"\n") and len(line) < _LONGEST_LINE:
                file.seek(-len(line), os.SEEK_CUR)  # half a line: Postfix is just writing it, and it is read next time
                return
            self.scanned.num_lines += 1
            if not _LINE.match(line):
                self.scanned.num_odd += 1
            elif b"/qmgr[" in line and (found := _QUEUED.match(line)):
                yield found[1], found[2]


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], bool]]:
    """A log to read, and whether it is compressed."""
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise Unavailable(f"the Postfix log {path} is not a file; name the file that Postfix logs to")
    with path.open("rb") as file:
        compressed = file.read(len(_GZIP)) == _GZIP
        file.seek(0)
        if compressed:
            with gzip.open(file, "rb") as unpacked:
                yield cast("IO[bytes]", unpacked), True
        else:
            yield file, False


@contextmanager
def _told_in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Unavailable(f"the Postfix log {path} is damaged: {error}") from None
    except OSError as error:
        raise Unavailable(
            f"the Postfix log {path} cannot be read: {error.strerror}; name the file that Postfix logs to, "
            "and let the user of mailq read it (on Debian: the group adm)"
        ) from None
