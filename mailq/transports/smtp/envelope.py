"""A letter as bytes for the wire: MAIL and RCPT, the stuffed body, and the letters that may not go at all."""

import re

from mailq.core.outcome import Fault, Rejected, Reply, Stage
from mailq.engine.ports import Letter
from mailq.transports.smtp.extensions import Extensions

MAX_ADDRESS_CHARACTERS = 254
"""RFC 5321 4.5.3.1.3: a path has 256 octets, two of them the brackets."""

_UNSAFE = re.compile(r"[\x00-\x20\x7f-\x9f<>\u2028\u2029]")


def _refused(stage: Stage, code: int, text: str, fault: Fault) -> Rejected:
    return Rejected(Reply(stage, code, text), fault)


def refusal(letter: Letter, extensions: Extensions) -> Rejected | None:
    """Why this letter cannot be offered to a relay with these extensions: the reply it would deserve, made by us."""
    return _bad_address(letter) or _needs_more(letter, extensions) or _bad_content(letter.content)


def _bad_address(letter: Letter) -> Rejected | None:
    # A line end in an address would let it speak SMTP on our behalf.
    if not letter.recipient or len(letter.recipient) > MAX_ADDRESS_CHARACTERS or _UNSAFE.search(letter.recipient):
        return _refused(Stage.RCPT, 553, "5.1.3 not an address that can be sent to (mailq)", Fault.RECIPIENT)
    if len(letter.sender) > MAX_ADDRESS_CHARACTERS or _UNSAFE.search(letter.sender):
        return _refused(Stage.MAIL, 553, "5.1.7 not an address that can be sent from (mailq)", Fault.CONTENT)
    return None


def _needs_more(letter: Letter, extensions: Extensions) -> Rejected | None:
    if not extensions.smtputf8 and is_international(letter):
        text = "5.6.7 the address needs SMTPUTF8 (RFC 6531), which the relay does not offer (mailq)"
        return _refused(Stage.MAIL, 553, text, Fault.RECIPIENT)
    if extensions.size_limit is not None and len(letter.content) > extensions.size_limit:
        text = f"5.3.4 {len(letter.content)} bytes are more than the relay's limit of {extensions.size_limit} (mailq)"
        return _refused(Stage.MAIL, 552, text, Fault.CONTENT)
    if not extensions.eight_bit and not letter.content.isascii():
        text = "5.6.3 the message has 8-bit content, and the relay does not offer 8BITMIME (mailq)"
        return _refused(Stage.MAIL, 554, text, Fault.CONTENT)
    return None


def _bad_content(content: bytes) -> Rejected | None:
    # RFC 5321 2.3.8: CR and LF only as a pair. A relay that takes a bare one for a line end could be fed a second message.
    pairs = content.count(b"\r\n")
    if content.count(b"\n") != pairs or content.count(b"\r") != pairs:
        return _refused(Stage.BODY, 554, "5.6.0 a bare CR or LF in the message (mailq)", Fault.CONTENT)
    return None


def is_international(letter: Letter) -> bool:
    """Whether the envelope needs SMTPUTF8."""
    return letter.international or not (letter.recipient.isascii() and letter.sender.isascii())


def mail_command(letter: Letter, extensions: Extensions) -> bytes:
    """MAIL with the parameters the relay announced (RFC 1870 SIZE, RFC 6152 BODY, RFC 6531 SMTPUTF8)."""
    size = f" SIZE={len(letter.content)}" if extensions.size else ""
    body = "" if letter.content.isascii() else " BODY=8BITMIME"
    utf8 = " SMTPUTF8" if is_international(letter) else ""
    return f"MAIL FROM:<{letter.sender}>{size}{body}{utf8}\r\n".encode()


def rcpt_command(letter: Letter) -> bytes:
    """RCPT for the letter's one recipient."""
    return f"RCPT TO:<{letter.recipient}>\r\n".encode()


def stuffed(content: bytes) -> bytes:
    """The content with a dot put before each line that begins with one (RFC 5321 section 4.5.2), ending in CRLF."""
    content = content.replace(b"\r\n.", b"\r\n..")
    if content.startswith(b"."):
        content = b"." + content
    return content if content.endswith(b"\r\n") else content + b"\r\n"
