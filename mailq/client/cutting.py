"""Lines cut into chunks. The same lines are always cut alike: the keys of chunks count on it."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import NamedTuple


class Chunk(NamedTuple):
    """Some recipients, a line each."""

    lines: bytes
    num_recipients: int


class Size(NamedTuple):
    """When a chunk is full."""

    num_recipients: int
    num_bytes: int


class Cutter:
    """Takes lines, and gives a chunk when there is one."""

    def __init__(self, size: Size) -> None:
        self._size = size
        self._lines: list[bytes] = []
        self._num_bytes = 0

    def add(self, line: bytes) -> Chunk | None:
        """Take a line."""
        self._lines.append(line)
        self._num_bytes += len(line)
        full = len(self._lines) >= self._size.num_recipients or self._num_bytes >= self._size.num_bytes
        return self.rest() if full else None

    def rest(self) -> Chunk | None:
        """What is left."""
        if not self._lines:
            return None
        chunk = Chunk(b"\n".join(self._lines) + b"\n", len(self._lines))
        self._lines, self._num_bytes = [], 0
        return chunk


def cut(lines: Iterable[bytes], size: Size) -> Iterator[Chunk]:
    """Cut lines into chunks; they are taken when they are needed."""
    cutter = Cutter(size)
    for line in lines:
        if (chunk := cutter.add(line)) is not None:
            yield chunk
    if (rest := cutter.rest()) is not None:
        yield rest


async def cut_async(lines: Iterable[bytes] | AsyncIterable[bytes], size: Size) -> AsyncIterator[Chunk]:
    """The same, of lines that may have to be awaited."""
    if not isinstance(lines, AsyncIterable):
        for made in cut(lines, size):
            yield made
        return
    cutter = Cutter(size)
    async for line in lines:
        if (chunk := cutter.add(line)) is not None:
            yield chunk
    if (rest := cutter.rest()) is not None:
        yield rest
