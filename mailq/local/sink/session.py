"""One SMTP dialogue (RFC 5321, 2920, 6152, 6531, 2034) as an asyncio protocol, by hand because a benchmark is to measure mailq.

Commands are worked in order from one buffer, so pipelining costs nothing; a delay stops the buffer, not the loop.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Final, cast

from mailq.local.sink.books import Books
from mailq.local.sink.rules import POLITE, Drop, RuleBook, Stage, Verdict

HOSTNAME: Final = "sink.invalid"
_LONGEST_COMMAND = 4096
_MOST_RECIPIENTS = 1000
_STOP_READING_BYTES = 1_000_000
# Possessive throughout: no address makes the pattern go back.
_PATH = rb'<((?:[^<>"\\\x00-\x20\x7f]++|"(?:[^"\\\r\n]++|\\.)*+")*+)>'
_MAIL = re.compile(rb"MAIL FROM: ?" + _PATH + rb"((?: [^ ]+)*+) *", re.IGNORECASE)
_RCPT = re.compile(rb"RCPT TO: ?" + _PATH + rb"((?: [^ ]+)*+) *", re.IGNORECASE)
_SIZE = re.compile(rb" SIZE=(\d{1,20})(?: |$)", re.IGNORECASE)
_END = b"\r\n.\r\n"


@dataclass
class Shared:
    """What all sessions of a sink have in common.

    Attributes:
        refresh: called before each message, so that changed rules are in force for it.
    """

    books: Books
    rules: RuleBook
    discard: bool = False
    size_limit_bytes: int = 25_000_000
    refresh: Callable[[], None] | None = None
    sessions: "set[Session]" = field(default_factory=set)


class Session(asyncio.Protocol):
    """One connection."""

    _transport: asyncio.Transport

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._rules = shared.rules
        self._buffer = bytearray()
        self._replies: list[bytes] = []
        self._searched = 0
        self._in_content = self._drop_content = self._waiting = self._closing = self._full = self._greeted = False
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._international = self._too_large = False

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have asyncio.Transport's methods and not its type.
        self._transport = cast("asyncio.Transport", transport)
        self._shared.sessions.add(self)
        self._refresh()
        self._answer(
            self._rules.judge(Stage.CONNECT), f"220 {HOSTNAME} ESMTP mail sink, nothing is delivered".encode(), last=True
        )
        self._work()

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        self._buffer += data
        if not self._waiting:
            self._work()
        elif len(self._buffer) > _STOP_READING_BYTES and not self._full:
            self._full = True
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        # A delayed dot is still decided: a slow server does accept the mail of a sender that hung up (RFC 1047).
        self._closing = True
        self._shared.sessions.discard(self)

    def close(self) -> None:
        """End the connection now."""
        self._closing = True
        self._transport.abort()

    # the loop over the buffer

    def _work(self) -> None:
        while self._buffer and not self._waiting and not self._closing:
            if not (self._content() if self._in_content else self._line()):
                break
        self._flush()

    def _flush(self) -> None:
        if self._replies and not self._transport.is_closing():
            self._transport.write(b"\r\n".join(self._replies) + b"\r\n")
        self._replies.clear()

    def _line(self) -> bool:
        end = self._buffer.find(b"\r\n")
        if end < 0 or end > _LONGEST_COMMAND:
            if len(self._buffer) > _LONGEST_COMMAND:
                self._say(b"500 5.5.2 line too long")
                self._hang_up()
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        verb = line[:4].upper()
        handle = self._commands.get(verb)
        if handle is None or (len(line) > 4 and line[4] != 0x20):
            self._say(b"500 5.5.2 command not recognized")
        else:
            handle(self, line)
        return True

    def _content(self) -> bool:
        """Take in a message once its dot has come. The dot is CRLF . CRLF; DATA's own CRLF counts as the first."""
        if self._drop_content:
            self._drop()
            return False
        buffer = self._buffer
        if buffer.startswith(b".\r\n"):
            content, taken = b"", 3
        else:
            end = buffer.find(_END, self._searched)
            if end < 0:
                self._searched = max(0, len(buffer) - len(_END) + 1)
                self._forget_excess()
                return False
            content, taken = bytes(buffer[: end + 2]), end + len(_END)
        del buffer[:taken]
        self._in_content, self._searched = False, 0
        self._dot(content if self._shared.discard else _unstuffed(content), len(content))
        return True

    def _forget_excess(self) -> None:
        """Keep no more of a message that is too large than is needed to find its dot."""
        if len(self._buffer) > self._shared.size_limit_bytes:
            self._too_large = True
            del self._buffer[: self._searched]
            self._searched = 0

    # commands

    def _ehlo(self, line: bytes) -> None:
        self._reset()
        self._greeted = True
        names = (HOSTNAME, "PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", f"SIZE {self._shared.size_limit_bytes}")
        for name in names[:-1]:
            self._say(f"250-{name}".encode())
        self._say(f"250 {names[-1]}".encode())

    def _helo(self, line: bytes) -> None:
        self._reset()
        self._greeted = True
        self._say(f"250 {HOSTNAME}".encode())

    def _mail(self, line: bytes) -> None:
        self._refresh()
        found = _MAIL.fullmatch(line)
        if not self._greeted or self._sender is not None:
            self._say(b"503 5.5.1 " + (b"nested MAIL" if self._greeted else b"say EHLO first"))
        elif found is None:
            self._say(b"501 5.5.4 syntax: MAIL FROM:<address>")
        elif (size := _SIZE.search(found[2])) and int(size[1]) > self._shared.size_limit_bytes:
            self._say(b"552 5.3.4 message too large")
        else:
            international = b" SMTPUTF8" in found[2].upper()
            sender = _address(found[1], international=international)
            if sender is None:
                self._say(b"553 5.6.7 address needs SMTPUTF8")
            else:
                self._answer(self._rules.judge(Stage.MAIL), b"250 2.1.0 ok", lambda: self._begin(sender, international))

    def _begin(self, sender: str, international: bool) -> None:
        self._sender, self._international = sender, international

    def _rcpt(self, line: bytes) -> None:
        found = _RCPT.fullmatch(line)
        if self._sender is None:
            self._say(b"503 5.5.1 MAIL first")
        elif found is None or b"@" not in found[1]:
            self._say(b"501 5.1.3 syntax: RCPT TO:<address>")
        elif len(self._recipients) >= _MOST_RECIPIENTS:
            self._say(b"452 4.5.3 too many recipients")
        elif (recipient := _address(found[1], international=self._international)) is None:
            self._say(b"553 5.6.7 address needs SMTPUTF8")
        else:
            verdict = self._rules.judge(Stage.RCPT, recipient)
            self._answer(verdict, b"250 2.1.5 ok", lambda: self._recipients.append(recipient))

    def _data(self, line: bytes) -> None:
        if self._sender is None:
            self._say(b"503 5.5.1 MAIL first")
        elif not self._recipients:
            self._say(b"554 5.5.1 no valid recipients")
        else:
            verdict = self._judge_all(Stage.DATA)
            self._drop_content = verdict.drop is Drop.BEFORE_DOT
            self._answer(verdict, b"354 go ahead, end with a dot", self._take_content)

    def _take_content(self) -> None:
        self._in_content = True

    def _dot(self, content: bytes, size: int) -> None:
        if self._too_large or size > self._shared.size_limit_bytes:
            self._say(b"552 5.3.4 message too large")
            self._reset()
        else:
            verdict = self._judge_all(Stage.DOT)
            self._later(verdict.delay, lambda: self._settle(verdict, content))

    def _settle(self, verdict: Verdict, content: bytes) -> None:
        """Decide about a message: it is accepted when it is in the books, and only then is the sender told so."""
        if verdict.reply is not None:
            self._say(verdict.reply)
        elif verdict.drop in (Drop.NOW, Drop.AFTER_DOT_UNACCEPTED):
            self._drop()
        else:
            try:
                self._shared.books.accept(self._sender or "", self._recipients, content)
            except OSError as error:
                self._say(f"452 4.3.1 not accepted: {error.strerror}".encode())
            else:
                if verdict.drop is Drop.AFTER_DOT:
                    self._drop()
                else:
                    self._say(b"250 2.0.0 ok, accepted")
        self._reset()

    def _rset(self, line: bytes) -> None:
        self._reset()
        self._say(b"250 2.0.0 ok")

    def _noop(self, line: bytes) -> None:
        self._say(b"250 2.0.0 ok")

    def _vrfy(self, line: bytes) -> None:
        self._say(b"252 2.5.2 cannot verify, will take it")

    def _quit(self, line: bytes) -> None:
        self._say(f"221 2.0.0 {HOSTNAME} goodbye".encode())
        self._hang_up()

    # replies

    def _say(self, reply: bytes) -> None:
        self._replies.append(reply)

    def _answer(self, verdict: Verdict, polite: bytes, then: Callable[[], object] | None = None, *, last: bool = False) -> None:
        """Reply as the rules want it; `then` happens if the answer is the polite one, `last` ends the session if it is not."""
        if verdict is POLITE:
            self._conclude(verdict, polite, then, last)
        else:
            self._later(verdict.delay, lambda: self._conclude(verdict, polite, then, last))

    def _conclude(self, verdict: Verdict, polite: bytes, then: Callable[[], object] | None, last: bool) -> None:
        if verdict.drop is Drop.NOW:
            self._drop()
        elif verdict.reply is not None:
            self._say(verdict.reply)
            if last or verdict.reply.startswith(b"421"):
                self._hang_up()
        else:
            self._say(polite)
            if then:
                then()

    def _later(self, delay: float, action: Callable[[], None]) -> None:
        if not delay:
            action()
            return
        self._waiting = True
        asyncio.get_running_loop().call_later(delay, self._resume, action)

    def _resume(self, action: Callable[[], None]) -> None:
        self._waiting = False
        action()
        if self._full and not self._closing:
            self._full = False
            self._transport.resume_reading()
        self._work()

    def _hang_up(self) -> None:
        self._flush()
        self._closing = True
        self._transport.close()

    def _drop(self) -> None:
        """Lose the connection, but none of the replies that were due before: those commands are not at stake."""
        self._flush()
        self.close()

    def _judge_all(self, stage: Stage) -> Verdict:
        """The first recipient for whom a rule speaks decides for the message."""
        if not self._rules.rules:
            return POLITE
        verdicts = (self._rules.judge(stage, recipient) for recipient in self._recipients)
        return next((verdict for verdict in verdicts if verdict is not POLITE), POLITE)

    def _refresh(self) -> None:
        if self._shared.refresh:
            self._shared.refresh()

    def _reset(self) -> None:
        self._sender = None
        self._recipients = []
        self._international = self._too_large = False

    _commands: ClassVar[dict[bytes, Callable[["Session", bytes], None]]] = {
        b"EHLO": _ehlo,
        b"HELO": _helo,
        b"MAIL": _mail,
        b"RCPT": _rcpt,
        b"DATA": _data,
        b"RSET": _rset,
        b"NOOP": _noop,
        b"VRFY": _vrfy,
        b"QUIT": _quit,
    }


def _unstuffed(content: bytes) -> bytes:
    """Take the first dot off every line that begins with one (RFC 5321 4.5.2)."""
    unstuffed = content.replace(b"\r\n.", b"\r\n")
    return unstuffed[1:] if unstuffed.startswith(b".") else unstuffed


def _address(path: bytes, *, international: bool) -> str | None:
    try:
        return path.decode("utf-8" if international else "ascii")
    except UnicodeDecodeError:
        return None
