"""Recipients as lines of NDJSON, cut into chunks. The same recipients are always cut alike: the keys of chunks count on it."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import NamedTuple

from mailq.client.doors import GivenRecipient
from mailq.client.recipients import read_recipient
from mailq.client.values import Email
from mailq.core.message import canonical_mail
from mailq.core.plain_json import NotPlain, to_json
from mailq.errors import BadInput


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


def recipient_lines(recipients: Iterable[GivenRecipient]) -> Iterator[bytes]:
    """A line for each recipient.

    Raises:
        BadInput: one is of another shape, or has variables that are no JSON.
    """
    return (_line(place, given) for place, given in enumerate(recipients, start=1))


def recipient_lines_async(
    recipients: Iterable[GivenRecipient] | AsyncIterable[GivenRecipient],
) -> Iterable[bytes] | AsyncIterable[bytes]:
    """The same, of recipients that may have to be awaited."""
    return _awaited_lines(recipients) if isinstance(recipients, AsyncIterable) else recipient_lines(recipients)


def email_line(email: Email) -> bytes:
    """The line of a recipient whose message is ready.

    Raises:
        BadInput: it is no mail.
    """
    return to_json({"address": email.to, "mime": canonical_mail(email.message), "sender": email.sender}).encode()


async def _awaited_lines(recipients: AsyncIterable[GivenRecipient]) -> AsyncIterator[bytes]:
    place = 0
    async for given in recipients:
        place += 1
        yield _line(place, given)


def _line(place: int, given: GivenRecipient) -> bytes:
    recipient = read_recipient(place, given)
    try:
        # `address` last: templates know no other one.
        return to_json(dict(sorted(recipient.variables.items())) | {"address": recipient.address}).encode()
    except (NotPlain, TypeError) as error:
        raise BadInput(f"recipient {place}: the variables {error}", field="recipients") from None
