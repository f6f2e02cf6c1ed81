"""A relay that sends a byte now and then: a deadline is for a whole reply, and a byte does not move it."""

import asyncio
import os
import socket
from datetime import timedelta
from itertools import cycle

from mailq.core.outcome import Accepted, Deferred, Doubt, Fault, Reply, Stage, Unknown
from tests.support.asynchronous import in_event_loop
from tests.support.feeds import letter
from tests.support.hostile import Peer, at
from tests.support.trials import SHORT, at_every_stage, code_by_smtplib, trial

PAUSE = timedelta(milliseconds=20)
LARGE = b"Subject: large\r\n\r\n" + (b"y" * 76 + b"\r\n") * 200_000


async def never_done(peer: Peer) -> None:
    await peer.trickle(cycle(b"250-still thinking\r\n"), PAUSE)


async def done_too_late(peer: Peer) -> None:
    peer.keep()
    await peer.trickle(b"250 2.0.0 taken in the end\r\n", PAUSE)


@in_event_loop
async def test_bytes_that_trickle_in_do_not_move_the_deadline_of_any_stage():
    await at_every_stage(never_done, r"no reply (to \w+ in time|within 0\.3 s)", deadline=SHORT, doubt=Doubt.TIMEOUT)


@in_event_loop
async def test_an_acceptance_that_trickles_in_too_late_is_in_doubt():
    ending = await trial(at(Stage.DOT, done_too_late), dot_timeout=SHORT)

    assert ending.outcomes == {1: Unknown(Doubt.TIMEOUT)}
    assert ending.came_by(SHORT)


@in_event_loop
async def test_an_acceptance_that_trickles_in_in_time_counts():
    ending = await trial(at(Stage.DOT, done_too_late), command_timeout=SHORT)

    assert ending.outcomes == {1: Accepted(Reply(Stage.DOT, 250, "2.0.0 taken in the end"))}


@in_event_loop
async def test_smtplib_waits_for_as_long_as_bytes_trickle():
    """Its timeout is for one `recv`: where it is wrong, it is no reference."""
    began = asyncio.get_running_loop().time()

    assert await code_by_smtplib(at(Stage.DOT, done_too_late), timeout=SHORT) == 250
    assert asyncio.get_running_loop().time() - began > SHORT.total_seconds()


@in_event_loop
async def test_a_relay_that_reads_a_large_body_by_the_byte_leaves_no_doubt():
    """A byte opens no window: the block on its way is not gone by its deadline."""

    async def script(peer: Peer) -> None:
        await peer.until(Stage.BODY)
        peer.reader._transport.pause_reading()
        loop, raw = asyncio.get_running_loop(), peer.writer.get_extra_info("socket")
        with socket.socket(fileno=os.dup(raw.fileno())) as by_hand:
            by_hand.setblocking(False)
            while not await peer.over_within(PAUSE):
                await loop.sock_recv(by_hand, 1)

    ending = await trial(script, stock=[letter(content=LARGE)], again=True, block_timeout=SHORT)

    assert ending.came_by(SHORT, times=2)
    assert ending.outcomes == {1: Deferred(Reply(Stage.BODY, 421, "4.4.2 no reply to body in time (mailq)"), Fault.RELAY)}


async def reads_steadily(peer: Peer) -> None:
    await peer.until(Stage.BODY)
    body = b""
    while not body.endswith(b"\r\n.\r\n") and (more := await peer.reader.read(100_000)):
        body += more
        await peer.over_within(PAUSE / 8)
    peer.note_body(body.removesuffix(b".\r\n"))
    await peer.accept()
    await peer.stall()


@in_event_loop
async def test_a_relay_that_reads_a_large_body_slowly_and_steadily_is_waited_for():
    """RFC 5321 section 4.5.3.2.5: a deadline for each block."""
    ending = await trial(reads_steadily, stock=[letter(content=LARGE)], block_timeout=SHORT)

    assert ending.kinds == {1: Accepted}
    assert ending.seconds > SHORT.total_seconds()


@in_event_loop
async def test_not_for_ever():
    """All blocks together have as long as the dot."""

    async def reads_on(peer: Peer) -> None:
        await peer.until(Stage.BODY)
        while not await peer.over_within(PAUSE):
            await peer.reader.read(100_000)

    ending = await trial(reads_on, stock=[letter(content=LARGE)], again=True, dot_timeout=SHORT)

    assert ending.came_by(SHORT, times=2)
    assert ending.outcomes == {1: Deferred(Reply(Stage.BODY, 421, "4.4.2 no reply to body in time (mailq)"), Fault.RELAY)}
