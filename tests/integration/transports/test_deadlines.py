"""Which deadline holds for which wait. Each test makes one short and leaves the others long."""

import asyncio
from datetime import timedelta

import pytest

from mailq.core.outcome import Doubt, Stage, Unknown
from mailq.transports.smtp import SmtpOptions, SmtpWire
from tests.support.asynchronous import in_event_loop
from tests.support.feeds import BookFeed, letter
from tests.support.hostile import HostileRelay, Peer, hostile, well_behaved

SHORT = timedelta(milliseconds=200)
LONG = timedelta(minutes=5)  # longer than a test may take
TIMEOUTS = ("command_timeout", "data_timeout", "block_timeout", "dot_timeout", "idle_limit", "quit_timeout")
LARGE = b"Subject: large\r\n\r\n" + (b"y" * 76 + b"\r\n") * 200_000


def wire_to(relay: HostileRelay, short: str) -> SmtpWire:
    waits = dict.fromkeys(TIMEOUTS, LONG) | {"quit_timeout": SHORT, short: SHORT}
    return SmtpWire(SmtpOptions("127.0.0.1", relay.port, sessions=1, **waits))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stage", "deadline"),
    [
        (Stage.MAIL, "command_timeout"),
        (Stage.RCPT, "command_timeout"),
        (Stage.DATA, "data_timeout"),
        (Stage.DOT, "dot_timeout"),
    ],
)
@in_event_loop
async def test_every_reply_has_the_deadline_of_its_stage(stage: Stage, deadline: str):
    async def script(peer: Peer) -> None:
        await peer.until(stage)
        await peer.stall()

    async with hostile(script) as relay:
        feed, wire = BookFeed([letter()]), wire_to(relay, deadline)

        await wire.carry(feed)
        await wire.close()

    assert feed.given_back == ([] if stage is Stage.DOT else [1])
    assert feed.outcomes == ({1: Unknown(Doubt.TIMEOUT)} if stage is Stage.DOT else {})


@pytest.mark.parametrize("deadline", ["block_timeout", "dot_timeout"], ids=["a block", "the whole"])
@in_event_loop
async def test_a_large_body_that_does_not_leave_was_not_accepted(deadline: str):
    async def script(peer: Peer) -> None:
        await peer.until(Stage.BODY)
        peer.reader._transport.pause_reading()
        await gone.wait()

    gone = asyncio.Event()
    async with hostile(script) as relay:
        feed, wire = BookFeed([letter(content=LARGE)]), wire_to(relay, deadline)

        await wire.carry(feed)
        gone.set()
        await wire.close()

    assert feed.given_back == [1]
    assert not relay.bodies


@in_event_loop
async def test_a_large_body_arrives_as_it_was():
    async with hostile(well_behaved) as relay:
        content = b".Subject: large\r\n\r\n" + b"..two\r\n.one\r\nnone.\r\n" * 50_000
        feed, wire = BookFeed([letter(seq, content=content) for seq in (1, 2, 3)]), wire_to(relay, "quit_timeout")

        await wire.carry(feed)
        await wire.close()

    assert [body.replace(b"\r\n..", b"\r\n.")[1:] for body in relay.bodies] == [content] * 3
    assert feed.balanced
