"""One TCP connection to a relay: whole replies in, bytes out, one deadline at a time."""

import asyncio
import re
import select
from typing import Protocol, cast

from mailq.transports.smtp.outbox import Outbox
from mailq.transports.smtp.replies import GarbledReply, RawReply, ReplyParser


class Listener(Protocol):
    """Who is told what happens on a connection."""

    def stepped(self, said: bytes) -> None:
        """The replies arrived that `Connection.step` describes, and nothing else; `said` is its first group."""

    def heard(self, replies: list[RawReply], more: bool) -> None:
        """Replies arrived, in order; `more`: something that is not (yet) a reply arrived right behind them."""

    def garbled(self, what: str) -> None:
        """Something arrived that is no reply."""

    def expired(self) -> None:
        """The deadline passed."""

    def drained(self) -> None:
        """Everything written has been handed to the system."""

    def lost(self, error: Exception | None) -> None:
        """The connection is gone."""


class Connection(asyncio.Protocol):
    """Bytes and time of one session; `listener` is told of both.

    One timer serves all deadlines. It is never set further ahead than the shortest of them, so a later and shorter deadline
    never has to move it, and a message costs no timer of its own.

    Attributes:
        step: the replies that are due next, if they are those that need no looking at: a short way past the parser. Holds for
            the next bytes that come, and has to be set anew.
        time: the clock of its deadlines.
        outbox: what gathers the writes of a turn, if anything does.
    """

    def __init__(self, listener: Listener, *, shortest_wait: float) -> None:
        self.listener = listener
        self.parser = ReplyParser()
        self.open = False
        self.outbox: Outbox | None = None
        self.step: re.Pattern[bytes] | None = None
        self._loop = asyncio.get_running_loop()
        self.time = self._loop.time
        self._transport: asyncio.Transport | None = None
        self._shortest_wait = shortest_wait
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._watched: select.poll | None = None
        self._paused = self._closely = False

    @property
    def transport(self) -> asyncio.Transport:
        """The transport under this connection; valid once connected."""
        assert self._transport is not None
        return self._transport

    def adopt(self, transport: asyncio.Transport) -> None:
        """Go on over another transport: TLS was put on top of the first."""
        self._transport = transport
        self._watched = None
        self.parser = ReplyParser()

    def watch_buffer(self, *, closely: bool) -> None:
        """Whether `drained` is told of the last byte."""
        self._closely = closely
        self._deliver()
        # uvloop raises for one that is closed; `lost` tells of it.
        if not self.transport.is_closing():
            self.transport.set_write_buffer_limits(high=0 if closely else None)

    @property
    def drained(self) -> bool:
        """Whether everything written has been handed to the system; never of a connection that is lost."""
        if not self.open or self._paused or self.transport.is_closing():
            return False
        return self.transport.get_write_buffer_size() == 0

    def tell_when_drained(self) -> None:
        """Call `listener.drained` once everything written has been handed to the system; never if the connection is lost.

        asyncio writes at once and pauses the protocol when something is left; uvloop writes at the end of the loop's turn, and
        pauses it only then.
        """
        if not self.open or self._paused or self.transport.is_closing():
            return
        if self.transport.get_write_buffer_size() == 0:
            self.listener.drained()
        else:
            self._loop.call_soon(self.tell_when_drained)

    def tell_soon(self) -> None:
        """Call `listener.drained` when what has come meanwhile has been read; never if the connection is lost."""
        if self.open and not self.transport.is_closing():
            self._loop.call_soon(self.tell_when_drained)

    @property
    def quiet(self) -> bool:
        """Whether the relay has sent nothing, not even its end, that we have not read: asked of the system itself, because
        the event loop may not have run since."""
        if not self.open or self.parser.midway or self.transport.is_closing():
            return False
        if self._watched is None:
            self._watched = select.poll()
            self._watched.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN | select.POLLHUP)
        return not self._watched.poll(0)

    def send(self, data: bytes | memoryview) -> None:
        """Say something, at the end of the turn if there is an outbox."""
        if self.outbox is None or self._closely:
            self.write(data)
        else:
            self.outbox.post(self, data)

    def write(self, data: bytes | memoryview) -> None:
        """Write, unless the connection is gone: then `lost` has told or will tell."""
        transport = self._transport
        if self.open and transport is not None and not transport.is_closing():
            transport.write(data)

    def expect_within(self, seconds: float | None) -> None:
        """Call `listener.expired` unless another deadline (or None) is set before `seconds` have passed."""
        if seconds is None:
            self._deadline = None
            return
        now = self.time()
        self._deadline = now + seconds
        if self._timer is None:
            self._timer = self._loop.call_at(now + min(seconds, self._shortest_wait), self._look_at_the_clock)

    def _look_at_the_clock(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        now = self._loop.time()
        if now >= self._deadline:
            self._deadline = None
            self.listener.expired()
            return
        self._timer = self._loop.call_at(min(self._deadline, now + self._shortest_wait), self._look_at_the_clock)

    def close(self) -> None:
        """End after what is written has left."""
        self._deliver()
        self._forget()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End now; what is written and has not left never leaves."""
        self._forget()
        if self._transport is not None:
            self._transport.abort()

    def _deliver(self) -> None:
        if self.outbox is not None:
            self.outbox.deliver()

    def _forget(self) -> None:
        self.open = False
        self._deadline = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: connected."""
        self.adopt(cast("asyncio.Transport", transport))
        self.open = True

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes came."""
        if not self.open:
            return
        if self.step is not None:
            step, self.step = self.step, None
            found = step.fullmatch(data)
            if found is not None:
                self.listener.stepped(found[1])
                return
        try:
            replies = self.parser.feed(data)
        except GarbledReply as fault:
            if fault.before:
                self.listener.heard(fault.before, True)
            if self.open:
                self.listener.garbled(str(fault))
            return
        if replies:
            self.listener.heard(replies, self.parser.midway)

    def pause_writing(self) -> None:
        """asyncio: something is left in the buffer."""
        self._paused = True

    def resume_writing(self) -> None:
        """asyncio: the buffer has run empty."""
        self._paused = False
        if self.open:
            self.listener.drained()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: disconnected."""
        self._forget()
        self.listener.lost(exc)
