"""Bodies in seven bits: quoted-printable or base64 (RFC 2045 sections 6.7 and 6.8), so that no relay has to convert them."""

import binascii
import re
import struct
from enum import StrEnum
from functools import lru_cache

from mailq.core.message.faults import RenderFault

LINE = 76
"""Octets that a line may have (RFC 2045 sections 6.7 and 6.8)."""

_OCTETS_OF_A_LINE = LINE // 4 * 3
_MOST_LINES_AT_ONCE = 512
_TOO_LONG = re.compile(rb"=(?:20|09)\r\n(?<=[^\r\n]{77}\r\n)")  # begins with a letter, which is found faster than a line
_DOT_OF_A_SHORT_LINE = re.compile(rb"^\.(?=[^\r\n]{0,73}(?:\r|\Z))", re.MULTILINE)
_DOTS_OF_A_LINE = re.compile(rb"^\.+", re.MULTILINE)


class Transfer(StrEnum):
    """A Content-Transfer-Encoding. Its lines are at most 76 octets long."""

    QUOTED_PRINTABLE = "quoted-printable"
    BASE64 = "base64"


def transfer_for(template: str) -> Transfer:
    """The shorter encoding for what a template will mostly produce; any text can be carried by either.

    Quoted-printable spends three octets on each one outside ASCII, base64 four thirds on all.
    """
    octets = template.encode("utf-8")
    beyond_ascii = len(octets) - sum(character.isascii() for character in template)
    return Transfer.BASE64 if beyond_ascii * 6 > len(octets) else Transfer.QUOTED_PRINTABLE


def canonical(text: str) -> str:
    """The text with CRLF as its only line end, and one at its end (RFC 2046 section 4.1.1)."""
    return with_crlf(text if text.endswith(("\n", "\r")) else text + "\n")


def with_crlf(text: str) -> str:
    """The text with CRLF as its only line end."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\n", "\r\n")


def encode_body(part: str, text: str, transfer: Transfer, *, limit: int) -> bytes:
    """A rendered body ready for the message: canonical line ends, encoded, ending with CRLF.

    Args:
        limit: octets of UTF-8 before the transfer encoding.

    Raises:
        RenderFault: the text is too large, or is no Unicode text (a lone surrogate).
    """
    try:
        octets = canonical(text).encode("utf-8")
    except UnicodeEncodeError:
        raise RenderFault(part, "contains half a character (a lone surrogate)") from None
    if len(octets) > limit:
        raise RenderFault(part, f"is larger than {limit} bytes")
    if transfer is Transfer.BASE64:
        return base64_lines(octets)
    return quoted_printable(octets)


def quoted_printable(octets: bytes) -> bytes:
    """Encode a text with CRLF line ends, of which it has at least one. No line begins with a dot, which SMTP would have to double."""
    # b2a_qp breaks lines as its input does, hence with CRLF: canonical text has one. A blank that ends a full line makes it one
    # octet too long (77), so that blank gets a line of its own.
    encoded = binascii.b2a_qp(octets)
    if b"=20\r\n" in encoded or b"=09\r\n" in encoded:
        encoded = _TOO_LONG.sub(rb"=\r\n\g<0>", encoded)
    return without_leading_dots(encoded)


def without_leading_dots(encoded: bytes) -> bytes:
    """Encode the dots that quoted-printable lines begin with; where that makes a line too long, it goes on in the next one."""
    if not encoded.startswith(b".") and b"\n." not in encoded:
        return encoded
    encoded = _DOT_OF_A_SHORT_LINE.sub(b"=2E", encoded)
    return _DOTS_OF_A_LINE.sub(lambda dots: b"=2E=\r\n" * len(dots[0]), encoded)


def base64_lines(octets: bytes) -> bytes:
    """Encode in full lines and a last one, each ended with CRLF; nothing for nothing."""
    encoded = binascii.b2a_base64(octets, newline=False)
    if len(encoded) <= LINE:
        return encoded + b"\r\n" if encoded else b""
    if len(octets) > _MOST_LINES_AT_ONCE * _OCTETS_OF_A_LINE:
        return b"".join(map(base64_lines, _blocks(octets)))
    return b"\r\n".join(_cutter(len(encoded)).unpack(encoded))


def _blocks(octets: bytes) -> list[bytes]:
    size = _MOST_LINES_AT_ONCE * _OCTETS_OF_A_LINE
    return [octets[start : start + size] for start in range(0, len(octets), size)]


@lru_cache(maxsize=64)
def _cutter(length: int) -> struct.Struct:
    """What cuts so many octets into lines, all at once, with an empty one at the end."""
    full, rest = divmod(length, LINE)
    return struct.Struct(f"{LINE}s" * full + (f"{rest}s" if rest else "") + "0s")
