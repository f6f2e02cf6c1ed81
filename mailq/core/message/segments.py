"""Quoted-printable in segments (RFC 2045 section 6.7): the texts of a template are encoded once, the values are put between them.

A `frame` is those texts with soft line breaks where a line could become too long, whatever the values are, if each is one line of
at most so many octets. `one_liners` makes such lines of values, and `fill` puts them in. Values that are longer or have line ends are
not for segments.
"""

import binascii
import re
from collections.abc import Iterable, Sequence

from markupsafe import escape

from mailq.core.message.encoding import canonical, quoted_printable

WIDTHS = (16, 40, 72)
"""Octets of an encoded value that frames are made for: short ones need fewer soft breaks."""

_ROOM = 75  # of the 76 octets of a line, the last is kept for the `=` of a soft break
_AMID = "x\n"  # stands behind a text while it is encoded, so that its last blank is not taken for the end of a line
_PLACE = b"\0"  # never in what is encoded
_BLANK_AT_END = re.compile(rb"[ \t](?=\r\n)")


def one_liners(values: Sequence[str], *, escaped: bool) -> list[bytes] | None:
    """The values encoded, each in one line that ends in no blank; None if one of them is too long, or no line of text.

    Args:
        escaped: they go into HTML.
    """
    # All of them at once, as lines of a text: the calls cost more than the encoding.
    text = "\r\n".join([*values, ""])
    if escaped:
        text = escape(text)
    if not text.count("\r") == text.count("\n") == len(values):
        return None
    try:
        lines = binascii.b2a_qp(text.encode("utf-8")).split(b"\r\n")
    except UnicodeEncodeError:
        return None
    lines.pop()
    return lines if len(lines) == len(values) and max(map(len, lines), default=0) <= WIDTHS[-1] else None


def frame(texts: Sequence[str], width: int) -> list[bytes]:
    """What stands before, between and behind the values: encoded, in lines of at most 76 octets, with a line end at the end.

    Args:
        width: the most octets that an encoded value has.

    Raises:
        UnicodeEncodeError: a text contains a lone surrogate.
    """
    first, *others = texts
    glued = [encoded := _amid(first)]
    column = _column(encoded, 0)
    for text in others:
        for piece, length in ((_PLACE, width), (encoded := _amid(text), _first_line(encoded))):
            if column and column + length > _ROOM:
                glued.append(b"=\r\n")
                column = 0
            glued.append(piece)
            column = column + length if piece is _PLACE else _column(piece, column)
    return _ended(b"".join(glued)).split(_PLACE)


def fill(texts: Sequence[bytes], lines: Iterable[bytes]) -> bytes:
    """Put values into their frame."""
    pieces = [b""] * (2 * len(texts) - 1)
    pieces[::2] = texts
    pieces[1::2] = lines
    return b"".join(pieces)


def without_blanks_at_line_ends(body: bytes) -> bytes:
    """Encode a blank that came to stand at the end of a line, where relays lose it, because the value behind it is empty."""
    return _BLANK_AT_END.sub(rb"=\r\n=20", body)


def _amid(text: str) -> bytes:
    return quoted_printable(canonical(text + _AMID).encode("utf-8"))[: -len("x\r\n")]


def _first_line(encoded: bytes) -> int:
    return len(encoded.partition(b"\r\n")[0])


def _column(encoded: bytes, before: int) -> int:
    """Where the line stands behind this, if it stood at `before`."""
    _, broken, last = encoded.rpartition(b"\r\n")
    return len(last) if broken else before + len(last)


def _ended(body: bytes) -> bytes:
    ended = body.endswith(b"\r\n") and not body.endswith(b"=\r\n")
    return without_blanks_at_line_ends(body if ended else body + b"\r\n")
