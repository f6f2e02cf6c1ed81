"""A mail that a program has built, written anew: parsed by the standard library, cleared of what is ours to say, and serialised in
ASCII lines that every relay takes. The same mail comes out as the same text, whatever boundaries it was built with.
"""

import binascii
import hashlib
import io
import re
from collections.abc import Iterator
from email import policy
from email.generator import BytesGenerator
from email.headerregistry import AddressHeader
from email.message import EmailMessage, Message
from email.parser import BytesParser
from functools import lru_cache
from typing import Any

from mailq.core.message.encoding import LINE, quoted_printable
from mailq.core.message.faults import TemplateFault

MAX_BYTES = 10_000_000
"""Of a ready-made mail, attachments and their encoding included."""

MAX_PARTS = 1000
MAX_HEADERS = 1000
MAX_ADDRESSES = 20_000
MAX_PARAMETERS = 2_000
"""Characters of a header of addresses, and of one about a part."""

_MOST_PARAMETERS = 40
_LISTS = (b"from", b"sender", b"reply-to", b"to", b"cc")
_STRUCTURED = re.compile(
    rb"^(From|Sender|Reply-To|To|Cc|Content-(?:Type|Disposition|Transfer-Encoding))[ \t]*:[^\r\n]*(?:(?:\r\n?|\n)[ \t][^\r\n]*)*",
    re.I | re.M,
)
_LINE_LIMIT = 998  # RFC 5322 section 2.1.1
_POLICY = policy.SMTP.clone(refold_source="none", cte_type="7bit")
_NOT_THEIRS = ("Message-ID", "Date", "Bcc", "Resent-Bcc", "Return-Path")
_ADDRESSES = ("From", "Sender", "Reply-To", "To", "Cc")
_ONCE = (*_ADDRESSES, "Subject")  # RFC 5322 section 3.6; the others of its list are ours
_IDENTITY = frozenset({"", "7bit", "8bit", "binary"})
_BROKEN = re.compile(r"\n(?![ \t])|\r(?!\n)|\0")
_HEAD_END = re.compile(rb"\n\r?\n")
_BARE_CR = re.compile(rb"(?:^|\n)([!-9;-~]*)[^\n]*?\r(?!\n)")
_UNSIGHTLY = re.compile(rb"[^\x01-\x7f]|[^\n]{999}")


def canonical_mail(mail: "Message[Any, Any] | bytes") -> str:
    """The mail in its one form: ASCII, CRLF line ends, without Message-ID, Date, Bcc and Return-Path.

    Parts that are signed stay as they are (RFC 1847).

    Raises:
        TemplateFault: it is too large, is no mail, has no sender, or holds what no relay takes.
    """
    try:
        octets = mail if isinstance(mail, bytes) else _as_given(mail)
        _require_small(octets)
        return _canonical(octets)
    except TemplateFault:
        raise
    except Exception as error:  # noqa: BLE001 # the standard library raises anything at headers it does not expect
        raise TemplateFault("mime", f"cannot be read as a mail ({type(error).__name__})") from None


# A mail to many comes once for each of them, one after the other; a large one takes longer to parse than to store.
@lru_cache(maxsize=1)
def _canonical(octets: bytes) -> str:
    _require_plain_head(octets)
    _require_plain_headers(octets)
    parsed = BytesParser(policy=_POLICY).parsebytes(octets)
    assert isinstance(parsed, EmailMessage)
    return _written_anew(parsed)


def _as_given(mail: "Message[Any, Any]") -> bytes:
    for name, value in mail.raw_items():
        if _BROKEN.search(str(value)):
            raise TemplateFault(f"header {name}", "a header must not contain a line break or NUL")
    return mail.as_bytes()


def _require_small(octets: bytes) -> None:
    if len(octets) > MAX_BYTES:
        raise TemplateFault("mime", f"the mail is larger than {MAX_BYTES // 1_000_000} MB")


def _require_plain_head(octets: bytes) -> None:
    """A bare CR would become a line break, and whatever stands behind it a header."""
    end = _HEAD_END.search(octets)
    head = octets[: end.end() if end else len(octets)]
    if head.count(b"\n") > MAX_HEADERS:
        raise TemplateFault("mime", f"has more than {MAX_HEADERS:,} lines of headers")
    if b"\r" in head.replace(b"\r\n", b"\n") and (found := _BARE_CR.search(head)):
        raise TemplateFault(f"header {found[1].decode('ascii')}", "a header must not contain a line break or NUL")


def _require_plain_headers(octets: bytes) -> None:
    """The standard library's effort at a header grows with the square of its length."""
    for found in _STRUCTURED.finditer(octets):
        most = MAX_ADDRESSES if found[1].lower() in _LISTS else MAX_PARAMETERS
        if len(found[0]) > most or (most == MAX_PARAMETERS and found[0].count(b";") > _MOST_PARAMETERS):
            raise TemplateFault(f"header {found[1].decode('ascii')}", f"is longer than {most:,} characters, or says too much")


def _written_anew(parsed: EmailMessage) -> str:
    for name in _NOT_THEIRS:
        del parsed[name]
    if "MIME-Version" not in parsed:
        parsed["MIME-Version"] = "1.0"
    several = []
    for number, part in enumerate(_unsigned(parsed), 1):
        if number > MAX_PARTS:
            raise TemplateFault("mime", f"the mail has more than {MAX_PARTS:,} parts")
        _decode_raw_headers(part)
        if not part.is_multipart():
            _encode_plainly(part)
        elif part.get_content_maintype() == "multipart":
            several.append(part)
            part.preamble = part.epilogue = None
    _require_addresses(parsed)
    # What a text is bounded by must not stand in it: it depends on the text.
    _bound(several, "")
    _bound(several, hashlib.sha256(_octets(parsed)).hexdigest()[:24])
    written = _octets(parsed)
    _require_small(written)
    return _checked(written)


def _unsigned(part: "Message[Any, Any]") -> "Iterator[Message[Any, Any]]":
    """The part and the parts in it, but not what is signed."""
    yield part
    if part.is_multipart() and part.get_content_type() != "multipart/signed":
        inner: Any = part.get_payload()
        for each in inner:
            yield from _unsigned(each)


def _decode_raw_headers(part: "Message[Any, Any]") -> None:
    """Take headers of bare UTF-8 for what they say (RFC 6532): they are written as encoded words."""
    raw = list(part.raw_items())
    if all(str(value).isascii() for _, value in raw):
        return
    for name in {name for name, _ in raw}:
        del part[name]
    for name, value in raw:
        octets = str(value).encode("utf-8", "surrogateescape")
        part[name] = re.sub(r"\r?\n", "", octets.decode("utf-8", "replace"))


def _encode_plainly(part: "Message[Any, Any]") -> None:
    """Bring a body that not every relay takes into seven bits and short lines."""
    said = str(part.get("Content-Transfer-Encoding", "")).strip().lower()
    octets: Any = part.get_payload(decode=True) if said in _IDENTITY else None
    if octets is None or not _UNSIGHTLY.search(octets):
        return
    is_text = part.get_content_maintype() == "text"
    if is_text and part.get_content_charset() is None and not octets.isascii():
        part.set_param("charset", "utf-8")
    del part["Content-Transfer-Encoding"]
    part["Content-Transfer-Encoding"] = "quoted-printable" if is_text else "base64"
    encoded = quoted_printable(_with_crlf(octets)) if is_text else _base64(octets)
    part.set_payload(encoded.decode("ascii"))


def _with_crlf(octets: bytes) -> bytes:
    return re.sub(rb"\r\n|\r|\n", b"\r\n", octets if octets.endswith((b"\n", b"\r")) else octets + b"\n")


def _base64(octets: bytes) -> bytes:
    encoded = binascii.b2a_base64(octets, newline=False)
    return b"".join(encoded[start : start + LINE] + b"\r\n" for start in range(0, len(encoded), LINE))


def _require_addresses(parsed: EmailMessage) -> None:
    for name in _ONCE:
        if len(parsed.get_all(name, [])) > 1:
            raise TemplateFault(f"header {name}", "stands there more than once (RFC 5322 section 3.6)")
    for name in _ADDRESSES:
        for header in parsed.get_all(name, []):
            if isinstance(header, AddressHeader) and not all(each.addr_spec.isascii() for each in header.addresses):
                raise TemplateFault(f"header {name}", "has an address outside ASCII; write its domain in the form `xn--…`")
    sender = parsed["From"]
    if not isinstance(sender, AddressHeader) or not any(each.domain for each in sender.addresses):
        raise TemplateFault("header From", "is missing, or has no address")


def _bound(several: "list[Message[Any, Any]]", digest: str) -> None:
    for number, part in enumerate(several):
        part.set_boundary(f"=_{digest}.{number}")


def _octets(parsed: EmailMessage) -> bytes:
    written = io.BytesIO()
    BytesGenerator(written, mangle_from_=False, policy=_POLICY).flatten(parsed)
    return written.getvalue()


def _checked(written: bytes) -> str:
    """The text, if it is one that every relay takes."""
    if not written.isascii() or b"\0" in written:
        raise TemplateFault("mime", "a part that is signed, or says that it is encoded, holds bytes outside ASCII")
    if max(map(len, written.split(b"\r\n"))) > _LINE_LIMIT:
        raise TemplateFault("mime", f"has a line of more than {_LINE_LIMIT} characters")
    text = written.decode("ascii")
    return text if text.endswith("\r\n") else text + "\r\n"
