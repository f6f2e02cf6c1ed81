"""What was asked of a relay and is not yet answered, what was heard and not yet looked at, and what waits for its turn."""

from collections import deque

from mailq.transports.smtp.connection import Connection
from mailq.transports.smtp.desk import Awaited
from mailq.transports.smtp.replies import RawReply

ENVELOPE = (Awaited.MAIL, Awaited.RCPT, Awaited.DATA)
"""The replies that one envelope asks for."""


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

    def ask_envelope(self, commands: tuple[bytes, bytes, bytes]) -> None:
        """Queue MAIL, RCPT and DATA of a letter."""
        if self.pipelining:
            self._unsent.append((ENVELOPE, b"".join(commands)))
        else:
            self._unsent.extend(((awaited,), command) for awaited, command in zip(ENVELOPE, commands, strict=True))

    def forget_unsent(self) -> None:
        """What has not been sent is not to be asked any more."""
        self._unsent.clear()

    def send(self, data: bytes = b"") -> None:
        """Send `data` and what may go behind it: everything queued, or without PIPELINING one command when nothing is due."""
        while self._unsent and (self.pipelining or not self.awaited):
            awaited, command = self._unsent.popleft()
            self.awaited.extend(awaited)
            data += command
        if data:
            self._connection.send(data)
