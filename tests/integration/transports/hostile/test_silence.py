"""A relay that says nothing: the deadline of that stage ends it, and no other."""

import asyncio
import socket

import pytest

from mailq.core.outcome import Deferred, Doubt, Fault, Rejected, Reply, Stage
from mailq.engine.ports import RelayFault
from mailq.transports.smtp import SmtpOptions, SmtpWire
from tests.support.asynchronous import in_event_loop
from tests.support.feeds import BookFeed, letter, letters
from tests.support.hostile import LOCK_STEP, Peer, at, stalls
from tests.support.trials import SHORT, at_every_stage, code_by_smtplib, trial

LARGE = b"Subject: large\r\n\r\n" + (b"y" * 76 + b"\r\n") * 200_000


@in_event_loop
async def test_a_silent_relay_is_found_out_by_the_deadline_of_its_stage():
    await at_every_stage(stalls, r"no reply (to \w+ in time|within 0\.3 s)", deadline=SHORT, doubt=Doubt.TIMEOUT)


@in_event_loop
async def test_in_lock_step_too():
    await at_every_stage(stalls, r"no reply (to \w+ in time|within 0\.3 s)", deadline=SHORT, doubt=Doubt.TIMEOUT, ehlo=LOCK_STEP)


@in_event_loop
async def test_data_and_the_dot_have_deadlines_of_their_own():
    """RFC 5321 section 4.5.3.2: ten minutes for the dot, because giving up means doubt."""
    stages = [Stage.MAIL, Stage.DATA, Stage.DOT]
    waits = {"command_timeout": SHORT, "data_timeout": SHORT * 2, "dot_timeout": SHORT * 3}

    endings = await asyncio.gather(*(trial(at(stage, stalls), **waits) for stage in stages))

    for times, ending in enumerate(endings, 1):
        assert ending.came_by(SHORT, times=times)
    assert endings[0].seconds < endings[1].seconds < endings[2].seconds


@in_event_loop
async def test_a_connection_that_nobody_takes_is_given_up_by_its_deadline():
    """The queue of connections to accept is full, and the system lets further ones wait."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        address = listening.getsockname()
        with socket.create_connection(address):
            loop = asyncio.get_running_loop()
            feed, began = BookFeed(letters(1)), loop.time()
            with pytest.raises(RelayFault, match=r"connect: no connection within 0\.3 s$"):
                await SmtpWire(SmtpOptions(*address, sessions=1, connect_timeout=SHORT)).carry(feed)
            assert loop.time() - began >= SHORT.total_seconds() - 0.05
            assert feed.given_back == [1]


@in_event_loop
async def test_what_was_said_of_a_recipient_holds_though_nothing_follows():
    async def script(peer: Peer) -> None:
        await peer.until(Stage.RCPT)
        await peer.say(b"550 5.1.1 no such user\r\n")
        await peer.stall()

    ending = await trial(script, data_timeout=SHORT)

    assert ending.outcomes == {1: Rejected(Reply(Stage.RCPT, 550, "5.1.1 no such user"), Fault.RECIPIENT)}
    assert ending.came_by(SHORT)


@in_event_loop
async def test_a_relay_that_stops_reading_in_a_large_body_leaves_no_doubt():
    """Its window is shut, so that the dot waits on our side."""

    async def script(peer: Peer) -> None:
        await peer.until(Stage.BODY)
        peer.reader._transport.pause_reading()
        await peer.over.wait()

    ending = await trial(script, stock=[letter(content=LARGE)], again=True, block_timeout=SHORT)

    assert ending.came_by(SHORT, times=2)
    assert ending.given_back == [1]
    assert ending.outcomes == {1: Deferred(Reply(Stage.BODY, 421, "4.4.2 no reply to body in time (mailq)"), Fault.RELAY)}


@in_event_loop
async def test_smtplib_gives_up_on_the_same_relays():
    stages = [Stage.GREETING, Stage.HELLO, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT]

    codes = await asyncio.gather(*(code_by_smtplib(at(stage, stalls), timeout=SHORT) for stage in stages))

    assert codes == [None] * 6
