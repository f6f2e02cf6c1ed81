"""A large body, which leaves in blocks."""

from mailq.transports.smtp.connection import Connection

LARGE_BODY_BYTES = 32 * 1024
"""From this size on the dot waits until the body has left, so that a connection lost in the middle leaves no doubt."""
BLOCK_BYTES = 128 * 1024
"""What has one deadline on its way (RFC 5321 section 4.5.3.2.5)."""


class LargeBody:
    """A body on its way.

    Args:
        within_s: when all of it must have left, however steadily its blocks do: a process that settles nothing counts as hung.
    """

    __slots__ = ("_connection", "_deadline", "_rest")

    def __init__(self, connection: Connection, body: bytes, *, within_s: float) -> None:
        self._connection = connection
        self._rest = memoryview(body)
        self._deadline = connection.time() + within_s

    @property
    def time_left_s(self) -> float:
        """How long the rest may take."""
        return max(0.0, self._deadline - self._connection.time())

    def go_on(self) -> bool:
        """Send blocks until one has to wait; the connection tells when it has left. True when all has, and the relay is silent:
        what it says before the dot must not be taken for its reply."""
        self._connection.watch_buffer(closely=True)
        while self._rest:
            block, self._rest = self._rest[:BLOCK_BYTES], self._rest[BLOCK_BYTES:]
            self._connection.send(block)
            if not self._connection.drained:
                self._connection.tell_when_drained()
                return False
        if self._connection.quiet:
            return True
        self._connection.tell_soon()
        return False
