"""What sessions say in one turn of the event loop, over real pairs of sockets."""

import asyncio
import socket
from contextlib import asynccontextmanager

from mailq.transports.smtp import SmtpOptions
from mailq.transports.smtp.body import LargeBody
from mailq.transports.smtp.connection import Connection
from mailq.transports.smtp.extensions import Extensions
from mailq.transports.smtp.outbox import Outbox
from mailq.transports.smtp.speaker import Speaker
from tests.support.asynchronous import in_event_loop
from tests.support.feeds import letter
from tests.support.waiting import happens


class Silent:
    """A listener that nothing is expected of."""

    def heard(self, *_: object) -> None: ...

    def stepped(self, *_: object) -> None: ...

    def garbled(self, *_: object) -> None: ...

    def expired(self) -> None: ...

    def drained(self) -> None: ...

    def lost(self, *_: object) -> None: ...


class Peer:
    """The other end of a connection; `has` is all that arrived."""

    def __init__(self, connection: Connection, theirs: socket.socket) -> None:
        self.connection = connection
        self._theirs = theirs
        self._has = b""

    @property
    def has(self) -> bytes:
        try:
            while piece := self._theirs.recv(1 << 16):
                self._has += piece
        except (BlockingIOError, ConnectionResetError):
            pass
        return self._has


@asynccontextmanager
async def connected(outbox: Outbox):
    """A connection that posts, and its peer."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with theirs:
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(Silent(), shortest_wait=60), sock=ours
        )
        connection.outbox = outbox
        yield Peer(connection, theirs)
        connection.abort()


@in_event_loop
async def test_what_is_said_in_one_turn_leaves_at_its_end_in_order():
    outbox = Outbox(asyncio.get_running_loop())
    async with connected(outbox) as one, connected(outbox) as other:
        one.connection.send(b"MAIL ")
        other.connection.send(b"QUIT")
        one.connection.send(b"RCPT")
        assert (one.has, other.has) == (b"", b"")
        await happens(lambda: (one.has, other.has) == (b"MAIL RCPT", b"QUIT"))


@in_event_loop
async def test_a_turn_that_says_nothing_more_leaves_nothing_behind_for_the_next():
    outbox = Outbox(asyncio.get_running_loop())
    async with connected(outbox) as one:
        for word in (b"first", b"second"):
            one.connection.send(word)
            await happens(lambda word=word: one.has.endswith(word))
        assert one.has == b"firstsecond"


@in_event_loop
async def test_what_was_said_before_the_end_leaves_before_it():
    async with connected(Outbox(asyncio.get_running_loop())) as one:
        one.connection.send(b"QUIT\r\n")
        one.connection.close()
        await happens(lambda: one.has == b"QUIT\r\n")


@in_event_loop
async def test_what_was_said_and_has_not_left_never_leaves_after_the_end():
    """The message of which it was a part is taken for not sent, or for doubtful."""
    async with connected(Outbox(asyncio.get_running_loop())) as one, connected(one.connection.outbox) as other:
        one.connection.send(b"a dot")
        other.connection.send(b"another one's")
        one.connection.abort()
        await happens(lambda: other.has == b"another one's")
        assert one.has == b""


@in_event_loop
async def test_blocks_of_a_large_body_leave_at_once_and_behind_what_was_said_before():
    async with connected(Outbox(asyncio.get_running_loop())) as one:
        one.connection.send(b"DATA\r\n")
        one.connection.watch_buffer(closely=True)
        one.connection.send(b"block")
        assert one.connection.drained or one.has
        await happens(lambda: one.has == b"DATA\r\nblock")


class Willing:
    """A desk that has nothing more and allows everything."""

    def next_letter(self) -> None: ...

    def may_dot(self, _: object) -> bool:
        return True


@in_event_loop
async def test_the_dot_of_a_large_body_leaves_at_once():
    """The relay was silent a moment ago; what it says before the end of the turn could pass for its reply."""
    async with connected(Outbox(asyncio.get_running_loop())) as one:
        speaker = Speaker(one.connection, Extensions(pipelining=True), SmtpOptions("127.0.0.1"))
        speaker.hands.letter = letter()
        leaving = LargeBody(one.connection, b"x" * 40_000, within_s=60)
        await happens(lambda: speaker.send_blocks(leaving, Willing()))
        assert one.has.endswith(b"x.\r\n")
        one.connection.send(b"RSET\r\n")
        assert not one.has.endswith(b"RSET\r\n")


class Broken:
    """A writer that cannot."""

    def write(self, data: object) -> None:
        raise RuntimeError("broken")


@in_event_loop
async def test_a_connection_that_fails_keeps_the_others_from_nothing():
    loop = asyncio.get_running_loop()
    told = []
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
    outbox = Outbox(loop)
    async with connected(outbox) as one:
        outbox.post(Broken(), b"lost")
        one.connection.send(b"heard")
        await happens(lambda: one.has == b"heard")
    assert [str(error) for error in told] == ["broken"]
