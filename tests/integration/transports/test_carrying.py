"""How letters are shared out among sessions, and how a carry ends."""

import asyncio
from datetime import timedelta

import pytest
import uvloop

from mailq.core.outcome import Accepted, Doubt, Stage, Unknown
from mailq.engine.ports import Letter
from mailq.transports.smtp import SmtpOptions, SmtpWire
from tests.support.asynchronous import in_event_loop
from tests.support.feeds import BookFeed, letter, letters
from tests.support.hostile import HostileRelay, Peer, hostile, well_behaved
from tests.support.waiting import happens

SHORT = timedelta(milliseconds=100)


def wire_to(relay: HostileRelay, **options: object) -> SmtpWire:
    return SmtpWire(SmtpOptions("127.0.0.1", relay.port, **options))  # type: ignore[arg-type]


def of_size(size_bytes: int) -> bytes:
    return b"x" * 76 + b"\r\n" + (b"y" * 76 + b"\r\n") * (size_bytes // 78)


@in_event_loop
async def test_every_letter_arrives_as_it_was_over_many_sessions():
    stock = [letter(seq, content=b"Subject: %d\r\n\r\n.%d\r\n" % (seq, seq) + of_size(seq * 197 % 50_000)) for seq in range(500)]
    async with hostile(well_behaved) as relay:
        feed, wire = BookFeed(stock), wire_to(relay, sessions=7, messages_per_session=20)

        await wire.carry(feed)
        await wire.close()

    arrived = sorted(body.replace(b"\r\n..", b"\r\n.") for body in relay.bodies)
    assert arrived == sorted(letter.content for letter in stock)
    assert feed.balanced
    assert max(len(peer.bodies) for peer in relay.peers) <= 20


@in_event_loop
async def test_few_letters_open_few_connections():
    async with hostile(well_behaved) as relay:
        wire = wire_to(relay, sessions=20)

        await wire.carry(BookFeed(letters(3)))
        await wire.close()

    assert len(relay.peers) <= 3


@in_event_loop
async def test_sessions_stay_warm_between_carries():
    async with hostile(well_behaved) as relay:
        wire = wire_to(relay, sessions=1)
        for _ in range(3):
            await wire.carry(BookFeed(letters(2)))
        await wire.close()

    assert len(relay.peers) == 1
    assert relay.peers[0].commands[-1] == b"QUIT\r\n"


@in_event_loop
async def test_a_session_that_the_relay_closed_meanwhile_is_replaced_without_a_fault():
    async def one_letter(peer: Peer) -> None:
        await peer.until(Stage.DOT)
        await peer.say(b"250 2.0.0 accepted\r\n")
        await asyncio.wait_for(allowed_to_close.wait(), 10)
        peer.close()

    allowed_to_close = asyncio.Event()
    async with hostile(one_letter, well_behaved) as relay:
        wire = wire_to(relay, sessions=1)
        await wire.carry(BookFeed(letters(1)))
        allowed_to_close.set()
        await happens(relay.peers[0].writer.is_closing)
        feed = BookFeed(letters(1))

        await wire.carry(feed)
        await wire.close()

    assert isinstance(feed.outcomes[1], Accepted)
    assert len(relay.peers) == 2


def test_another_event_loop_gets_sessions_of_its_own():
    wires: list[SmtpWire] = []

    async def one() -> None:
        async with hostile(well_behaved) as relay:
            wire = wires[0] if wires else SmtpWire(SmtpOptions("127.0.0.1", relay.port, sessions=1))
            object.__setattr__(wire.options, "port", relay.port)
            wires.append(wire)
            feed = BookFeed(letters(1))
            await wire.carry(feed)
            assert isinstance(feed.outcomes[1], Accepted)

    asyncio.run(one())
    asyncio.run(one())
    asyncio.run(wires[0].close())


@in_event_loop
async def test_an_idle_session_is_ended_politely():
    async with hostile(well_behaved) as relay:
        wire = wire_to(relay, sessions=1, idle_limit=SHORT)
        await wire.carry(BookFeed(letters(1)))

        await happens(lambda: relay.peers[0].commands[-1] == b"QUIT\r\n")
        await wire.close()


@pytest.mark.parametrize("asked", [1, 2])
@in_event_loop
async def test_a_process_that_may_not_send_leaves_without_a_dot(asked: int):
    """Asked first before MAIL, and once more before the dot."""
    async with hostile(well_behaved) as relay:
        feed, wire = BookFeed(letters(5), again=True), wire_to(relay, sessions=1)
        feed.no_at = asked

        await wire.carry(feed)
        await wire.close()

    assert feed.balanced
    assert not feed.outcomes
    assert not relay.bodies
    if asked == 2:
        assert relay.peers[0].commands[-1] == b"DATA\r\n", "a QUIT would pass for content"


@pytest.mark.parametrize("size_bytes", [100, 100_000])
@in_event_loop
async def test_the_question_before_the_dot_is_asked_again(size_bytes: int):
    async with hostile(well_behaved) as relay:
        feed, wire = BookFeed([letter(content=of_size(size_bytes))]), wire_to(relay, sessions=1)

        await wire.carry(feed)
        await wire.close()

    assert feed.asked == [1, 1]


@in_event_loop
async def test_cancelled_midway_every_letter_is_accounted_for():
    """One is past its dot, one pipelined behind it."""
    at_the_dot = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.until(Stage.DOT)
        await peer.hear("MAIL")
        at_the_dot.set()
        await peer.stall()

    async with hostile(script) as relay:
        feed, wire = BookFeed(letters(3), again=False), wire_to(relay, sessions=1)
        carrying = asyncio.create_task(wire.carry(feed))
        await at_the_dot.wait()
        carrying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await carrying
        await wire.close()

    assert feed.balanced
    assert feed.outcomes == {1: Unknown(Doubt.TIMEOUT)}
    assert feed.given_back == [2]


@in_event_loop
async def test_cancelled_while_a_session_is_being_opened_the_letter_is_given_back():
    connected = asyncio.Event()

    async def script(peer: Peer) -> None:
        connected.set()
        await peer.stall()

    async with hostile(script) as relay:
        feed, wire = BookFeed(letters(1)), wire_to(relay)
        carrying = asyncio.create_task(wire.carry(feed))
        await connected.wait()
        carrying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await carrying

    assert feed.given_back == [1]


@pytest.mark.parametrize("size_bytes", [100, 100_000])
@in_event_loop
async def test_an_error_of_the_feed_ends_the_carry_without_a_dot(size_bytes: int):
    """A journal that cannot be written raises in `may_send`."""

    class Broken(BookFeed):
        def may_send(self, letter: Letter) -> bool:
            if len(self.asked) == 1:
                raise RuntimeError("disk full")
            return super().may_send(letter)

    async with hostile(well_behaved) as relay:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        feed, wire = Broken([letter(content=of_size(size_bytes))]), wire_to(relay, sessions=1)
        with pytest.raises(RuntimeError, match="disk full"):
            await wire.carry(feed)
        await wire.close()

    assert feed.given_back == [1]
    assert not relay.bodies


def test_the_same_over_uvloop():
    """uvloop writes at the end of its turn: a large body's dot must wait for it, and must come."""

    async def carry() -> None:
        async with hostile(well_behaved) as relay:
            feed, wire = BookFeed(stock), wire_to(relay, sessions=3, dot_timeout=timedelta(seconds=10))
            await wire.carry(feed)
            await wire.close()
            assert sorted(len(body) for body in relay.bodies) == sorted(len(letter.content) for letter in stock)
            assert feed.balanced

    stock = [letter(seq, content=of_size(size)) for seq, size in enumerate([10, 40_000, 5_000_000, 100, 300_000, 33_000])]
    uvloop.run(asyncio.wait_for(carry(), 30))
