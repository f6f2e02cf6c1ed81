"""What was asked of a relay and is not yet answered, what was heard and not yet looked at, and what waits for its turn."""

import re
from collections import deque

from mailq.transports.smtp.connection import Connection
from mailq.transports.smtp.desk import Awaited
from mailq.transports.smtp.replies import RawReply

ENVELOPE = (Awaited.MAIL, Awaited.RCPT, Awaited.DATA)
"""The replies that one envelope asks for."""
_DOT_AND_ENVELOPE = (Awaited.DOT, *ENVELOPE)

STEP = re.compile(rb"250 ([^\r\n]{0,500})\r\n(?:250 [^\r\n]{0,500}\r\n){2}354 [^\r\n]{0,500}\r\n")
"""The replies to a dot and to the envelope behind it, when nothing is remarkable about them: nearly all there ever are."""


class Dialogue:
    """The order of a session's questions and answers.

    Attributes:
        inbox: replies heard and not yet looked at.
        more: a piece of a further reply is behind them.
        awaited: which replies are due, in order.
    """

    __slots__ = ("_connection", "_unsent", "awaited", "inbox", "more", "pipelining")

    def __init__(self, connection: Connection, *, pipelining: bool) -> None:
        self._connection = connection
        self.pipelining = pipelining
        self.inbox: deque[RawReply] = deque()
        self.more = False
        self.awaited: deque[Awaited] = deque()
        self._unsent: deque[tuple[tuple[Awaited, ...], bytes]] = deque()

    def ask(self, awaited: Awaited, command: bytes) -> None:
        """Queue one command."""
        self._unsent.append(((awaited,), command))

    def ask_envelope(self, commands: bytes) -> None:
        """Queue MAIL, RCPT and DATA of a letter."""
        if self.pipelining:
            self._unsent.append((ENVELOPE, commands))
        else:
            lines = commands.splitlines(keepends=True)
            self._unsent.extend(((awaited,), command) for awaited, command in zip(ENVELOPE, lines, strict=True))

    def forget_unsent(self) -> None:
        """What has not been sent is not to be asked any more."""
        self._unsent.clear()

    def end_body(self, body: bytes, commands: bytes | None) -> None:
        """Send a body, or what is left of it, and its dot; behind it the commands of another letter, and all that is queued."""
        awaited = self.awaited
        if commands is not None and self.pipelining and not self._unsent and not awaited:
            awaited.extend(_DOT_AND_ENVELOPE)
            connection = self._connection
            connection.step = STEP
            connection.send(b"".join((body, b".\r\n", commands)))
            return
        if commands is not None:
            self.ask_envelope(commands)
        awaited.append(Awaited.DOT)
        self.send(body + b".\r\n")

    def send(self, data: bytes = b"") -> None:
        """Send `data` and what may go behind it: everything queued, or without PIPELINING one command when nothing is due."""
        while self._unsent and (self.pipelining or not self.awaited):
            awaited, command = self._unsent.popleft()
            self.awaited.extend(awaited)
            data += command
        if data:
            self._connection.send(data)
