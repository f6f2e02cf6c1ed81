"""A letter as bytes for the wire: MAIL, RCPT and DATA, the stuffed body, and the letters that may not go at all."""

import re
import sys
from typing import NamedTuple

from mailq.core.outcome import Fault, Rejected, Reply, Stage
from mailq.engine.ports import Letter
from mailq.transports.smtp.extensions import Extensions

MAX_ADDRESS_CHARACTERS = 254
"""RFC 5321 4.5.3.1.3: a path has 256 octets, two of them the brackets."""
MAX_ENVELOPE_ID_CHARACTERS = 100
"""RFC 3461 4.4, after encoding."""

_UNSAFE_CLASS = r"\x00-\x20\x7f-\x9f<>\u2028\u2029"
_UNSAFE = re.compile(f"[{_UNSAFE_CLASS}]")
_SAFE_PAIR = re.compile(f"[^{_UNSAFE_CLASS}]{{0,254}}\n[^{_UNSAFE_CLASS}]{{1,254}}")
# A CR without its LF, or before a line that begins with a dot: most bodies have none. Also the last one, which is followed by nothing.
_REMARKABLE = re.compile(rb"\r(?!\n[^.])")
_NOT_XTEXT = re.compile(r"[^!-*,-<>-~]")


class Prepared(NamedTuple):
    """A letter that may be offered: its commands, DATA the last of them, and its body, without the final dot."""

    commands: bytes
    body: bytes


class Preparation:
    """Makes letters ready for one relay.

    Args:
        extensions: what it offers.
        dsn: ask it for notices of failure, if it offers DSN (RFC 3461).
    """

    __slots__ = ("_dsn", "_extensions", "_largest", "_size")

    def __init__(self, extensions: Extensions, *, dsn: bool) -> None:
        self._extensions = extensions
        self._size = extensions.size
        self._largest = sys.maxsize if extensions.size_limit is None else extensions.size_limit
        self._dsn = dsn and extensions.dsn

    def prepared(self, letter: Letter) -> Prepared | Rejected:
        """The letter as bytes; or why it cannot be offered, as the reply it would deserve, made by us."""
        sender, recipient, content = letter.sender, letter.recipient, letter.content
        # A line end in an address would let it speak SMTP on our behalf.
        pair = f"{sender}\n{recipient}"
        if _SAFE_PAIR.fullmatch(pair) is None:
            return _bad_address(letter)
        seven_bit = content.isascii()
        international = letter.international or not pair.isascii()
        if international or not seven_bit or len(content) > self._largest:
            refused = _needs_more(letter, self._extensions, international=international, seven_bit=seven_bit)
            if refused is not None:
                return refused
        body = stuffed(content)
        if body is None:
            return _refused(Stage.BODY, 554, "5.6.0 a bare CR or LF in the message (mailq)", Fault.CONTENT)
        # RFC 1870 SIZE, RFC 6152 BODY, RFC 6531 SMTPUTF8, RFC 3461 RET, ENVID, NOTIFY and ORCPT.
        size = f" SIZE={len(content)}" if self._size else ""
        transport = "" if seven_bit else " BODY=8BITMIME"
        utf8 = " SMTPUTF8" if international else ""
        notices, notify = (_envelope_id(letter), _notify(recipient)) if self._dsn else ("", "")
        commands = f"MAIL FROM:<{sender}>{size}{transport}{utf8}{notices}\r\nRCPT TO:<{recipient}>{notify}\r\nDATA\r\n"
        # What Prepared(…) does, at a quarter of the cost.
        return tuple.__new__(Prepared, (commands.encode(), body))


def _refused(stage: Stage, code: int, text: str, fault: Fault) -> Rejected:
    return Rejected(Reply(stage, code, text), fault)


def _bad_address(letter: Letter) -> Rejected:
    if not letter.recipient or len(letter.recipient) > MAX_ADDRESS_CHARACTERS or _UNSAFE.search(letter.recipient):
        return _refused(Stage.RCPT, 553, "5.1.3 not an address that can be sent to (mailq)", Fault.RECIPIENT)
    return _refused(Stage.MAIL, 553, "5.1.7 not an address that can be sent from (mailq)", Fault.CONTENT)


def _needs_more(letter: Letter, extensions: Extensions, *, international: bool, seven_bit: bool) -> Rejected | None:
    if international and not extensions.smtputf8:
        text = "5.6.7 the address needs SMTPUTF8 (RFC 6531), which the relay does not offer (mailq)"
        return _refused(Stage.MAIL, 553, text, Fault.RECIPIENT)
    if extensions.size_limit is not None and len(letter.content) > extensions.size_limit:
        text = f"5.3.4 {len(letter.content)} bytes are more than the relay's limit of {extensions.size_limit} (mailq)"
        return _refused(Stage.MAIL, 552, text, Fault.CONTENT)
    if not seven_bit and not extensions.eight_bit:
        text = "5.6.3 the message has 8-bit content, and the relay does not offer 8BITMIME (mailq)"
        return _refused(Stage.MAIL, 554, text, Fault.CONTENT)
    return None


def _envelope_id(letter: Letter) -> str:
    encoded = "" if letter.envelope_id is None else xtext(letter.envelope_id)
    return f" RET=HDRS ENVID={encoded}" if 0 < len(encoded) <= MAX_ENVELOPE_ID_CHARACTERS else " RET=HDRS"


def _notify(recipient: str) -> str:
    # RFC 6533 has another address type for these, which few relays know.
    return f" NOTIFY=FAILURE ORCPT=rfc822;{xtext(recipient)}" if recipient.isascii() else " NOTIFY=FAILURE"


def xtext(text: str) -> str:
    """ASCII text as RFC 3461 section 4 has it in parameters."""
    return text if _NOT_XTEXT.search(text) is None else _NOT_XTEXT.sub(lambda found: f"+{ord(found[0]):02X}", text)


def stuffed(content: bytes) -> bytes | None:
    """The content with a dot put before each line that begins with one (RFC 5321 section 4.5.2), ending in CRLF.

    None if CR and LF do not only come as a pair (RFC 5321 2.3.8): a relay that takes a bare one for a line end could be fed a
    second message.
    """
    ended = content.endswith(b"\r\n")
    found = _REMARKABLE.search(content)
    if found is not None and not (ended and found.start() == len(content) - 2):
        pairs = content.count(b"\r\n")
        if content.count(b"\n") != pairs or content.count(b"\r") != pairs:
            return None
        content = content.replace(b"\r\n.", b"\r\n..")
    elif content.count(b"\n") != content.count(b"\r"):
        return None
    if content.startswith(b"."):
        content = b"." + content
    return content if ended else content + b"\r\n"
