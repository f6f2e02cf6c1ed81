"""Header fields: a rendered value in, a folded line out, and no way to smuggle in another header (RFC 5322 section 2.2)."""

import re
from dataclasses import dataclass
from functools import lru_cache

from mailq.core.address import Address, InvalidAddress, normalise
from mailq.core.message.faults import RenderFault
from mailq.core.message.words import encoded_words, is_plain

_LINE_LENGTH = 78  # RFC 5322 section 2.1.1: should be; 998 must not be passed
_LINE_LIMIT = 998
_INJECTED = re.compile(r"[\r\n\0]")
_NO_ADDRESS = re.compile(r"[\x00-\x20\x7f<>\ud800-\udfff]")
_SIMPLE = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?\Z")
_FOLDS = re.compile(r"(?<=[^ \t])[ \t](?=[^ \t])")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*\Z")
_MAILBOX = re.compile(r'(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^<>]*))[ \t]*<(?P<address>[^<>]*)>\Z', re.DOTALL)
_NAME = re.compile(r"(?!\.)[\x21-\x39\x3b-\x7e]{1,70}\Z")  # ftext (RFC 5322 section 3.6.8), and room for its value on the line
_OURS = frozenset(
    {"from", "sender", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id", "mime-version"}
    | {"return-path", "received", "dkim-signature", "authentication-results"}
)
_OURS_IF_STARTING_WITH = ("content-", "resent-", "arc-")
# Values that machines read: no encoded word is allowed in them (RFC 2047 section 5).
_MACHINE_READ = frozenset(
    {"list-unsubscribe", "list-unsubscribe-post", "list-subscribe", "list-post", "list-help", "list-owner", "list-archive"}
    | {"in-reply-to", "references", "feedback-id", "precedence", "auto-submitted", "errors-to", "disposition-notification-to"}
)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address with the name of whoever it belongs to (RFC 5322 section 3.4)."""

    address: Address
    name: str = ""


def refused_name(name: str) -> str | None:
    """Why nobody may set a header of this name, or None if it is free."""
    lowered = name.lower()
    if not _NAME.match(name):
        return "is no header name: visible ASCII without a colon or a dot at its beginning, at most 70 characters"
    if lowered in _OURS or lowered.startswith(_OURS_IF_STARTING_WITH):
        return "is set by mailq or by the relay, never by a content"
    return None


def parse_mailbox(part: str, value: str) -> Mailbox:
    """Read `address` or `Name <address>`; the name may be quoted, and needs not be, whatever it contains.

    Raises:
        RenderFault: it is neither, or the address is not one.
    """
    _refuse_injection(part, value)
    found = _MAILBOX.match(value.strip())
    bare = value if found is None else found["address"]
    name = "" if found is None else (found["plain"] or re.sub(r"\\(.)", r"\1", found["quoted"] or ""))
    try:
        return Mailbox(normalise(bare), name.strip())
    except InvalidAddress as error:
        raise RenderFault(part, f"is no sendable address: {error.reason}") from None


def mailbox_field(part: str, name: str, mailbox: Mailbox) -> str:
    """A header of one mailbox. The display name is a quoted string or encoded words, the address raw (RFC 6532 if it must be).

    Raises:
        RenderFault: the display name contains a line break, NUL or half a character.
    """
    _refuse_injection(part, mailbox.name)
    address = mailbox.address.text
    phrase = _phrase(part, mailbox.name.strip(), column=len(name) + 2)
    if not phrase:
        return f"{name}: {address}\r\n"
    used = len(name) + 2 + len(phrase) if "\r\n" not in phrase else len(phrase) - phrase.rindex("\n") - 1
    gap = " " if used + len(address) + 3 <= _LINE_LENGTH else "\r\n "
    return f"{name}: {phrase}{gap}<{address}>\r\n"


def recipient_field(address: str, name: str) -> str:
    """The To header for an address that was normalised when it was stored.

    Raises:
        RenderFault: it cannot have been, or the name is no good.
    """
    if _NO_ADDRESS.search(address) or "@" not in address:
        raise RenderFault("to", "the recipient's address was never checked: it could smuggle in a header")
    return mailbox_field("to_name", "To", Mailbox(Address(address), name)) if name else f"To: {address}\r\n"


def text_field(part: str, name: str, value: str) -> str:
    """A header of free text, folded; what is not plain ASCII becomes encoded words.

    Raises:
        RenderFault: the value contains a line break, NUL or half a character, or a machine reads this header and cannot.
    """
    if len(name) + 2 + len(value) <= _LINE_LENGTH and _is_simple(value):
        return f"{name}: {value}\r\n"
    _refuse_injection(part, value)
    value = value.strip(" \t")
    if not value:
        return f"{name}: \r\n"
    if _is_simple(value) and (folded := _fold(value, column=len(name) + 2)) is not None:
        return f"{name}: {folded}\r\n"
    if name.lower() in _MACHINE_READ:
        raise RenderFault(part, f"must be printable ASCII without a piece longer than {_LINE_LIMIT} characters")
    return f"{name}: {_with_encoded_words(part, value, column=len(name) + 2)}\r\n"


def _refuse_injection(part: str, value: str) -> None:
    if _INJECTED.search(value):
        raise RenderFault(part, "a header must not contain a line break or NUL")


def _is_simple(value: str) -> bool:
    return _SIMPLE.match(value) is not None and "=?" not in value


def _phrase(part: str, name: str, *, column: int) -> str:
    if not name or (len(name) <= _LINE_LENGTH - column and "=?" not in name and _ATOMS.match(name)):
        return name
    if len(name) <= _LINE_LENGTH - column and name.isascii() and name.isprintable() and "=?" not in name:
        return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return _encoded(part, name, column=column)


def _fold(value: str, *, column: int) -> str | None:
    """Break the line before single blanks, as late as possible. None if a piece is too long for any line."""
    pieces = []
    start = end = 0
    room = _LINE_LENGTH - column
    for break_at in (*(found.start() for found in _FOLDS.finditer(value)), len(value)):
        if break_at - start > room and end > start:
            pieces.append(value[start:end])
            start, room = end, _LINE_LENGTH
        end = break_at
    pieces.append(value[start:])
    longest = max(map(len, pieces))
    return "\r\n".join(pieces) if longest + column <= _LINE_LIMIT else None


def _with_encoded_words(part: str, value: str, *, column: int) -> str:
    """Encode from the first word that needs it to the last, blanks included; short plain words around them stay readable."""
    words = value.split(" ")
    needing = [index for index, word in enumerate(words) if not is_plain(word)] or [0, len(words) - 1]
    before, after = " ".join(words[: needing[0]]), " ".join(words[needing[-1] + 1 :])
    first = needing[0] if column + len(before) < _LINE_LENGTH // 2 else 0
    end = needing[-1] + 1 if len(after) < _LINE_LENGTH - 2 else len(words)
    lead = "".join(f"{word} " for word in words[:first])
    line = lead + _encoded_again(part, " ".join(words[first:end]), column + len(lead))
    if end == len(words):
        return line
    used = len(line) - line.rfind("\n") - 1 if "\n" in line else column + len(line)
    return f"{line} {after}" if used + 1 + len(after) <= _LINE_LENGTH else f"{line}\r\n {after}"


@lru_cache(maxsize=128)
def _encoded_again(part: str, text: str, column: int) -> str:
    # What needs encoding in a subject is mostly the mailing's own words, and the names before them differ little in length.
    return _encoded(part, text, column=column)


def _encoded(part: str, text: str, *, column: int) -> str:
    try:
        return encoded_words(text, column=column)
    except UnicodeEncodeError:
        raise RenderFault(part, "contains half a character (a lone surrogate)") from None
