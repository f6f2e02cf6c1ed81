"""Replies without end, in line or in lines: the session ends before they fill the memory."""

from contextlib import suppress

import pytest

from tests.support.asynchronous import in_event_loop
from tests.support.hostile import Misdeed, Peer, says
from tests.support.trials import at_every_stage


async def endless_lines(peer: Peer) -> None:
    with suppress(ConnectionError):
        while not peer.writer.is_closing():
            await peer.segment(b"250-and another\r\n" * 100)


async def endless_line(peer: Peer) -> None:
    with suppress(ConnectionError):
        await peer.say(b"250 ")
        while not peer.writer.is_closing():
            await peer.segment(b"x" * 10_000)


async def long_line(peer: Peer) -> None:
    with suppress(ConnectionError):
        await peer.say(b"250-" + b"x" * 2_000_000 + b"\r\n250 ok\r\n")
    await peer.stall()


@pytest.mark.parametrize(
    ("misdeed", "reason"),
    [
        (endless_lines, "a reply of more than 512 lines or 65536 bytes"),
        (endless_line, "a reply line of more than 2048 bytes"),
        (long_line, "a reply line of more than 2048 bytes|not an SMTP reply: b'250-x+'"),
        (says(b"250-" + b"x" * 3000 + b"\r\n250 ok\r\n"), "a reply line of more than 2048 bytes|not an SMTP reply: b'250-x+'"),
    ],
    ids=["lines without end", "a line without end", "two million bytes", "three thousand bytes"],
)
@in_event_loop
async def test_it_ends_the_session_at_every_stage(misdeed: Misdeed, reason: str):
    await at_every_stage(misdeed, reason)
