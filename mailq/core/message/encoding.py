"""Bodies in seven bits: quoted-printable or base64 (RFC 2045 sections 6.7 and 6.8), so that no relay has to convert them."""

import binascii
import re
from base64 import encodebytes
from enum import StrEnum

from mailq.core.message.faults import RenderFault

_TOO_LONG = re.compile(rb"^([^\r\n]{74,})(=(?:20|09)\r)$", re.MULTILINE)


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
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.endswith("\n"):
        text += "\n"
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
        return encodebytes(octets).replace(b"\n", b"\r\n")
    return quoted_printable(octets)


def quoted_printable(octets: bytes) -> bytes:
    """Encode a text with CRLF line ends, of which it has at least one."""
    # b2a_qp breaks lines as its input does, hence with CRLF: canonical text has one. A blank that ends a full line makes it one
    # octet too long (77), so that blank gets a line of its own.
    encoded = binascii.b2a_qp(octets)
    return _TOO_LONG.sub(rb"\1=\r\n\2", encoded) if b"=20\r\n" in encoded or b"=09\r\n" in encoded else encoded
