"""SMTP replies out of bytes, in whatever pieces they come (RFC 5321 sections 4.2 and 4.5.3.1.5)."""

from typing import NamedTuple

MAX_LINE_BYTES = 2048
"""RFC 5321 4.5.3.1.5 allows a relay 512; some say more."""
MAX_REPLY_BYTES = 64 * 1024
MAX_REPLY_LINES = 512

_CODES = {b"%d" % code: code for code in range(200, 600)}
_LAST = (b" ", b"")


class RawReply(NamedTuple):
    """A code and the text after it, lines joined by line feeds."""

    code: int
    text: bytes


class GarbledReply(Exception):
    """What came is no SMTP reply; the dialogue cannot go on. `before` holds the sound replies that preceded it."""

    def __init__(self, what: str, before: list[RawReply]) -> None:
        super().__init__(what)
        self.before = before


class ReplyParser:
    """Collects bytes and yields whole replies.

    A bare LF ends a line as CRLF does: RFC 5321 2.3.8 forbids it to a sender, but every client takes it, and in replies,
    which carry no content, it cannot smuggle anything. A bare CR does not end a line.
    """

    __slots__ = ("_code", "_lines", "_partial", "_size_bytes")

    def __init__(self) -> None:
        self._partial = b""
        self._lines: list[bytes] = []
        self._code: int | None = None
        self._size_bytes = 0

    @property
    def midway(self) -> bool:
        """Whether part of a reply is here, and the rest is not."""
        return bool(self._partial) or self._code is not None

    def feed(self, data: bytes) -> list[RawReply]:
        """The replies that these bytes complete.

        Raises:
            GarbledReply: a line or reply is too long, or it is no reply; the parser is of no use any more.
        """
        lines = (self._partial + data).split(b"\n") if self._partial else data.split(b"\n")
        self._partial = lines.pop()
        replies: list[RawReply] = []
        for line in lines:
            # Nearly every reply is one line; the long way round is for the others.
            code = _CODES.get(line[:3]) if line[3:4] == b" " and self._code is None and len(line) < MAX_LINE_BYTES else None
            if code is None:
                self._take_line(line.removesuffix(b"\r"), replies)
            else:
                # What RawReply(…) does, at a quarter of the cost.
                replies.append(tuple.__new__(RawReply, (code, line[4:].removesuffix(b"\r"))))
        # One more for the CR that may be its last: where a reply is cut must not decide whether it is one.
        if len(self._partial) > MAX_LINE_BYTES + 1:
            raise GarbledReply(f"a reply line of more than {MAX_LINE_BYTES} bytes", replies)
        return replies

    def _take_line(self, line: bytes, replies: list[RawReply]) -> None:
        code = _CODES.get(line[:3])
        if code is None or len(line) > MAX_LINE_BYTES:
            raise GarbledReply(f"not an SMTP reply: {line[:60]!r}", replies)
        last = line[3:4] in _LAST
        if last and self._code is None:
            replies.append(RawReply(code, line[4:]))
            return
        if (not last and line[3:4] != b"-") or (self._code is not None and code != self._code):
            raise GarbledReply(f"not an SMTP reply: {line[:60]!r}", replies)
        self._code = code
        self._lines.append(line[4:])
        self._size_bytes += len(line)
        if self._size_bytes > MAX_REPLY_BYTES or len(self._lines) > MAX_REPLY_LINES:
            raise GarbledReply(f"a reply of more than {MAX_REPLY_LINES} lines or {MAX_REPLY_BYTES} bytes", replies)
        if last:
            replies.append(RawReply(code, b"\n".join(self._lines)))
            self._lines, self._code, self._size_bytes = [], None, 0
