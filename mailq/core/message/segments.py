"""Quoted-printable in segments (RFC 2045 section 6.7): the texts of a template are encoded once, the values are put between them.

A `frame` is those texts with soft line breaks where a line could become too long, whatever the values are, if each is a line of at
most so many octets. A value that is longer, or has lines of its own, comes with a soft break before and behind it, and fits in
everywhere. `encoded` makes both kinds, and `fill` puts them in.
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
_SOFT_BREAK = b"=\r\n"
_PLACE = b"\0"  # never in what is encoded
_BLANK_AT_END = re.compile(rb"[ \t](?=\r\n)")


def encoded(values: Sequence[str], *, escaped: bool) -> list[bytes] | None:
    """The values as they are put into a frame; none of them ends in a blank. None if one is not to be judged alone: it is no text
    (half a character), or ends between CR and LF.

    Args:
        escaped: they go into HTML.
    """
    try:
        return _short_lines(values, escaped=escaped) or [_piece(value, escaped=escaped) for value in values]
    except ValueError:
        return None


def frame_width(pieces: Sequence[bytes]) -> int:
    """The narrowest frame that these encoded values fit in."""
    longest = max(map(len, pieces), default=0)
    if longest > WIDTHS[-1]:
        longest = max((len(piece) for piece in pieces if not piece.startswith(_SOFT_BREAK)), default=0)
    for width in WIDTHS:
        if longest <= width:
            break
    return width


def frame(texts: Sequence[str], width: int) -> list[bytes]:
    """What stands before, between and behind the values: encoded, in lines of at most 76 octets, with a line end at the end.

    Args:
        width: the most octets that an encoded value has.

    Raises:
        UnicodeEncodeError: a text contains a lone surrogate.
    """
    first, *others = map(_amid, texts)
    glued = [first]
    column = _column(first, 0)
    for text in others:
        for piece, length in ((_PLACE, width), (text, len(text.partition(b"\r\n")[0]))):
            if column and column + length > _ROOM:
                glued.append(_SOFT_BREAK)
                column = 0
            glued.append(piece)
            column = column + length if piece is _PLACE else _column(piece, column)
    return _ended(b"".join(glued)).split(_PLACE)


def fill(texts: Sequence[bytes], values: Iterable[bytes]) -> bytes:
    """Put encoded values into their frame."""
    pieces = [b""] * (2 * len(texts) - 1)
    pieces[::2] = texts
    pieces[1::2] = values
    return b"".join(pieces)


def is_open(piece: bytes) -> bool:
    """Whether this value, as the last one of a text, leaves open if the text has a line end already."""
    return not piece or piece.startswith(_SOFT_BREAK)


def without_blanks_at_line_ends(body: bytes) -> bytes:
    """Encode a blank that came to stand at the end of a line, where relays lose it, because the value behind it is empty."""
    return _BLANK_AT_END.sub(lambda blank: b"=\r\n=09" if blank[0] == b"\t" else b"=\r\n=20", body)


def _short_lines(values: Sequence[str], *, escaped: bool) -> list[bytes] | None:
    """The values in one short line each; None if one of them needs more."""
    # All of them at once, as lines of a text: the calls cost more than the encoding.
    text = "\r\n".join([*values, ""])
    if escaped:
        text = escape(text)
    if not text.count("\r") == text.count("\n") == len(values):
        return None
    lines = binascii.b2a_qp(text.encode("utf-8")).split(b"\r\n")
    lines.pop()
    return lines if len(lines) == len(values) and max(map(len, lines), default=0) <= WIDTHS[-1] else None


def _piece(value: str, *, escaped: bool) -> bytes:
    if value.endswith("\r"):
        raise ValueError("the line end may go on")
    lines = _short_lines([value], escaped=escaped)
    return lines[0] if lines else _SOFT_BREAK + _amid(escape(value) if escaped else value) + _SOFT_BREAK


def _amid(text: str) -> bytes:
    return quoted_printable(canonical(text + _AMID).encode("utf-8"))[: -len("x\r\n")]


def _column(octets: bytes, before: int) -> int:
    """Where the line stands behind this, if it stood at `before`."""
    _, broken, last = octets.rpartition(b"\r\n")
    return len(last) if broken else before + len(last)


def _ended(body: bytes) -> bytes:
    ended = body.endswith(b"\r\n") and not body.endswith(_SOFT_BREAK)
    return without_blanks_at_line_ends(body if ended else body + b"\r\n")
