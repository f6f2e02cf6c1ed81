"""A large body on its way, over a real pair of sockets."""

import asyncio
import socket

import pytest

from mailq.transports.smtp.body import LargeBody
from mailq.transports.smtp.connection import Connection
from mailq.transports.smtp.replies import RawReply
from tests.support.asynchronous import in_event_loop
from tests.support.waiting import happens


class Listening:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.replies: list[RawReply] = []
        self.times_drained = 0

    def heard(self, replies: list[RawReply], more: bool) -> None:
        self.replies += replies

    def drained(self) -> None:
        self.times_drained += 1

    def stepped(self, said: bytes) -> None: ...

    def garbled(self, what: str) -> None: ...

    def expired(self) -> None: ...

    def lost(self, error: Exception | None) -> None: ...


@pytest.mark.parametrize("said", [b"", b"250 2.0.0 accepted\r\n"], ids=["silent", "said something"])
@in_event_loop
async def test_a_body_has_left_when_the_relay_has_said_nothing_before_its_dot(said: bytes):
    """What it said is there, and the event loop has not read it yet: read after the dot it would pass for the dot's reply."""
    ours, theirs = socket.socketpair()
    with theirs:
        listening = Listening()
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection(listening, shortest_wait=60), sock=ours)
        theirs.send(said)

        assert LargeBody(connection, b"x" * 1000, within_s=60).go_on() is not bool(said)

        await happens(lambda: len(listening.replies) == listening.times_drained == bool(said))
        connection.abort()
