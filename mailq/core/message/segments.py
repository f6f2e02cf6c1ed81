"""Quoted-printable in segments (RFC 2045 section 6.7): the texts of a template are encoded once, the values are put between them.

A `frame` is those texts with soft line breaks where a line could become too long, whatever the values are, if each is a line of at
most so many octets. A value that is longer, or has lines of its own, comes with a soft break before and behind it, and fits in
everywhere. `encoded` makes both kinds, and `fill` puts them in. A dot that a text or a value begins with is encoded: it could come
to begin a line, where SMTP would have to double it.
"""

import binascii
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from markupsafe import escape

from mailq.core.message.encoding import canonical, quoted_printable, without_leading_dots

WIDTHS = (16, 40, 72)
"""Octets of an encoded value that frames are made for: short ones need fewer soft breaks."""

_WIDTH_FOR = [next(width for width in WIDTHS if longest <= width) for longest in range(WIDTHS[-1] + 1)]

_ROOM = 75  # of the 76 octets of a line, the last is kept for the `=` of a soft break
_AMID = "x\n"  # stands behind a text while it is encoded, so that its last blank is not taken for the end of a line
_SOFT_BREAK = b"=\r\n"
_PLACE = b"\0"  # never in what is encoded
_BLANK_AT_END = re.compile(rb"[ \t](?=\r\n)")


class Pieces(NamedTuple):
    """Encoded values. None of them begins with a dot or ends in a blank.

    Attributes:
        octets: what is put into a frame.
        width: of the narrowest frame that they fit in.
    """

    octets: list[bytes]
    width: int


def encoded(values: Sequence[str], *, escaped: bool) -> Pieces | None:
    """The values as they are put into a frame. None if one is not to be judged alone: it is no text (half a character), or ends
    between CR and LF.

    Args:
        escaped: they go into HTML.
    """
    try:
        octets = _lines(values, escaped=escaped)
        longest = max(map(len, octets), default=0)
        if longest > WIDTHS[-1] or not octets:
            octets = [_piece(value, escaped=escaped) for value in values]
            longest = max((len(piece) for piece in octets if not piece.startswith(_SOFT_BREAK)), default=0)
    except ValueError:
        return None
    return Pieces(octets, _WIDTH_FOR[longest])


def frame(texts: Sequence[str], width: int) -> list[bytes]:
    """What stands before, between and behind the values, with an empty place for each: encoded, in lines of at most 76 octets, with
    a line end at the end.

    Args:
        width: the most octets that an encoded value has.

    Raises:
        UnicodeEncodeError: a text contains a lone surrogate.
    """
    first, *others = map(_amid, texts)
    glued = [first]
    column = _column(first, 0)
    for text in others:
        column = _with_room(glued, column, width)
        glued.append(_PLACE)
        column = _with_room(glued, column + width, len(text.partition(b"\r\n")[0]))
        glued.append(text)
        column = _column(text, column)
    around = _ended(b"".join(glued)).split(_PLACE)
    made = [b""] * (2 * len(around) - 1)
    made[::2] = around
    return made


def _with_room(glued: list[bytes], column: int, length: int) -> int:
    """Break the line if so many octets do not fit behind this column. Where it then stands."""
    if not column or column + length <= _ROOM:
        return column
    glued.append(_SOFT_BREAK)
    return 0


def fill(frame: Sequence[bytes], values: Iterable[bytes]) -> bytes:
    """Put encoded values into their places."""
    made = [*frame]
    made[1::2] = values
    return b"".join(made)


def is_open(piece: bytes) -> bool:
    """Whether this value, as the last one of a text, leaves open if the text has a line end already."""
    return not piece or piece.startswith(_SOFT_BREAK)


def without_blanks_at_line_ends(body: bytes) -> bytes:
    """Encode a blank that came to stand at the end of a line, where relays lose it, because the value behind it is empty."""
    return _BLANK_AT_END.sub(lambda blank: b"=\r\n=09" if blank[0] == b"\t" else b"=\r\n=20", body)


def _lines(values: Sequence[str], *, escaped: bool) -> list[bytes]:
    """The values in one line each; nothing if one of them has lines of its own, or is so long that it needs them."""
    # All of them at once, as lines of a text: the calls cost more than the encoding.
    text = "\r\n".join(values)
    if escaped:
        text = escape(text)
    if not text.count("\r") == text.count("\n") == len(values) - 1:
        return []
    lines = without_leading_dots(binascii.b2a_qp(text.encode("utf-8"))).split(b"\r\n")
    return lines if len(lines) == len(values) else []


def _piece(value: str, *, escaped: bool) -> bytes:
    if value.endswith("\r"):
        raise ValueError("the line end may go on")
    lines = _lines([value], escaped=escaped)
    if lines and len(lines[0]) <= WIDTHS[-1]:
        return lines[0]
    return _SOFT_BREAK + _amid(escape(value) if escaped else value) + _SOFT_BREAK


def _amid(text: str) -> bytes:
    return quoted_printable(canonical(text + _AMID).encode("utf-8"))[: -len("x\r\n")]


def _column(octets: bytes, before: int) -> int:
    """Where the line stands behind this, if it stood at `before`."""
    _, broken, last = octets.rpartition(b"\r\n")
    return len(last) if broken else before + len(last)


def _ended(body: bytes) -> bytes:
    ended = body.endswith(b"\r\n") and not body.endswith(_SOFT_BREAK)
    return without_blanks_at_line_ends(body if ended else body + b"\r\n")
