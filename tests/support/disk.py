"""A disk without room: files of this process cannot grow."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from mailq.transports.journal import HEADER_SIZE, JournalFile


@contextmanager
def full_disk(size_bytes: int) -> Iterator[None]:
    """No file of this process grows beyond a size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


@contextmanager
def full_journal(journal: JournalFile, record_size_bytes: int = 28) -> Iterator[int]:
    """Every note in this journal fails, because it has no room left and the disk has none; how many notes fill it."""
    size = journal.path.stat().st_size
    number = (size - HEADER_SIZE) // record_size_bytes
    for seq in range(number - len(journal.records())):
        journal.abandoned(0, 0, seq, 1)
    with full_disk(size + 10):
        yield number
