"""A connection that is closed or reset after each class of bytes: certain before the dot, in doubt after it."""

import asyncio

import pytest

from mailq.core.outcome import Accepted, Deferred, Doubt, Fault, Rejected, Reply, Stage, Unknown
from tests.support.asynchronous import in_event_loop
from tests.support.feeds import letter, letters
from tests.support.hostile import LOCK_STEP, Misdeed, Peer, Script, at, closes, resets, well_behaved
from tests.support.trials import at_every_stage, code_by_smtplib, trial

LARGE = b"Subject: large\r\n\r\n" + (b"y" * 76 + b"\r\n") * 200_000
ends = pytest.mark.parametrize("end", [closes, resets])


def after(said: bytes, end: Misdeed) -> Misdeed:
    """Say the beginning of a reply, and end the connection when the client has read it."""

    async def misdeed(peer: Peer) -> None:
        await peer.drip(said)
        await end(peer)

    return misdeed


@ends
@in_event_loop
async def test_before_any_byte_of_a_reply(end: Misdeed):
    """In lock step, so that a reset destroys no earlier reply on its way."""
    await at_every_stage(end, "the relay closed the connection|Connection reset by peer", ehlo=LOCK_STEP)


@pytest.mark.parametrize("said", [b"2", b"250", b"250-", b"250 2.0.0 O", b"250-2.0.0 O\r\n", b"250 2.0.0 OK\r"])
@ends
@in_event_loop
async def test_in_the_middle_of_a_reply(said: bytes, end: Misdeed):
    """A reply without its line end is none: `250 2.0.0 O` and the end of the stream leave doubt."""
    await at_every_stage(after(said, end), "the relay closed the connection|Connection reset by peer", ehlo=LOCK_STEP)


@in_event_loop
async def test_smtplib_takes_an_unterminated_reply_for_a_whole_one():
    """It is wrong: the relay may have been about to say `250 2.0.0 OK, but …`, or may have died. So it is no reference here."""
    codes = await asyncio.gather(*(code_by_smtplib(at(Stage.DOT, after(said, closes))) for said in (b"250 2.0.0 O", b"250", b"")))

    assert codes == [250, 250, None]


def kept_and(misdeed: Misdeed) -> Script:
    """Take the letter, then misbehave."""

    async def script(peer: Peer) -> None:
        await peer.until(Stage.DOT)
        peer.keep()
        await misdeed(peer)

    return script


@pytest.mark.parametrize("said", [b"", b"2", b"250 2.0.0 O", b"250-2.0.0 OK\r\n"])
@ends
@in_event_loop
async def test_after_the_dot_it_is_in_doubt_whether_or_not_the_relay_took_it(said: bytes, end: Misdeed):
    taken, not_taken = await asyncio.gather(trial(kept_and(after(said, end))), trial(at(Stage.DOT, after(said, end))))

    assert taken.outcomes == not_taken.outcomes == {1: Unknown(Doubt.RELAY_CLOSED)}
    assert taken.came_at_once
    assert not_taken.came_at_once


@in_event_loop
async def test_a_whole_reply_counts_though_the_connection_ends_right_behind_it():
    async def script(peer: Peer) -> None:
        await peer.until(Stage.DOT)
        await peer.accept()
        peer.close()

    ending = await trial(script)

    assert ending.kinds == {1: Accepted}
    assert ending.fault is None


@ends
@pytest.mark.parametrize("read_bytes", [0, 1000, 1_000_000])
@in_event_loop
async def test_in_the_middle_of_a_large_body_nothing_is_in_doubt(read_bytes: int, end: Misdeed):
    """Its dot waits until the body has left."""

    async def script(peer: Peer) -> None:
        await peer.until(Stage.BODY)
        await peer.reader.readexactly(read_bytes)
        await end(peer)

    ending = await trial(script, stock=[letter(content=LARGE)], again=True)

    assert ending.came_at_once
    assert ending.given_back == [1]
    said = Reply(Stage.BODY, 421, "4.4.2 the relay closed the connection (mailq)")
    assert ending.outcomes == {1: Deferred(said, Fault.RELAY)}


@ends
@in_event_loop
async def test_in_the_middle_of_a_small_body_the_dot_has_left_already(end: Misdeed):
    async def script(peer: Peer) -> None:
        await peer.until(Stage.BODY)
        await peer.reader.readexactly(5)
        await end(peer)

    ending = await trial(script)

    assert ending.outcomes == {1: Unknown(Doubt.RELAY_CLOSED)}


@ends
@in_event_loop
async def test_the_letter_behind_the_dot_was_certainly_not_accepted(end: Misdeed):
    async def script(peer: Peer) -> None:
        await peer.until(Stage.DOT)
        peer.keep()
        await peer.hear_all("MAIL", "RCPT", "DATA")
        await end(peer)

    ending = await trial(script, well_behaved, stock=letters(2), again=True)

    assert ending.kinds == {1: Unknown, 2: Accepted}
    assert ending.given_back == [2]
    assert ending.came_at_once


@ends
@in_event_loop
async def test_what_was_said_of_a_recipient_holds_though_the_session_breaks(end: Misdeed):
    async def script(peer: Peer) -> None:
        await peer.until(Stage.RCPT)
        await peer.say(b"550 5.1.1 no such user\r\n")
        await peer.hear("DATA")
        await end(peer)

    ending = await trial(script)

    # A reset may destroy the reply on its way.
    assert ending.outcomes or end is resets
    if ending.outcomes:
        assert ending.outcomes == {1: Rejected(Reply(Stage.RCPT, 550, "5.1.1 no such user"), Fault.RECIPIENT)}


@in_event_loop
async def test_one_lost_connection_does_not_stop_the_carry():
    ending = await trial(at(Stage.GREETING, closes), well_behaved, stock=letters(40), again=True, sessions=4)

    assert ending.fault is None
    assert ending.kinds == dict.fromkeys(range(1, 41), Accepted)


@in_event_loop
async def test_a_letter_is_not_blamed_for_the_session_that_the_one_before_it_ended():
    """Blamed for two new sessions it would be put off."""
    ending = await trial(at(Stage.DOT, closes), at(Stage.MAIL, closes), well_behaved, stock=letters(2), again=True)

    assert ending.kinds == {1: Unknown, 2: Accepted}


@pytest.mark.parametrize("stage", [Stage.GREETING, Stage.HELLO, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT])
@in_event_loop
async def test_smtplib_too_has_no_answer_when_the_connection_ends(stage: Stage):
    """It does not tell before the dot from after it, which is why it is no client for us."""
    assert await asyncio.gather(*(code_by_smtplib(at(stage, end)) for end in (closes, resets))) == [None, None]
