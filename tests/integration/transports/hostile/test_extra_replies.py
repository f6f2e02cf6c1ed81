"""A relay that says more than it was asked: nothing it says can be trusted to answer what we ask next."""

import asyncio
from collections.abc import Callable

import pytest

from mailq.core.outcome import Accepted, Deferred, Doubt, Fault, Rejected, Reply, Stage, Unknown
from tests.support.asynchronous import in_event_loop
from tests.support.feeds import HesitantFeed, letter, letters
from tests.support.hostile import LOCK_STEP, Peer, at, says, well_behaved
from tests.support.trials import code_by_smtplib, trial

EXTRA = b"250 2.0.0 and again\r\n"


@pytest.mark.parametrize(
    ("stage", "answer"), [(Stage.GREETING, b"220 hello\r\n"), (Stage.HELLO, b"250-hello\r\n250 PIPELINING\r\n")]
)
@in_event_loop
async def test_in_the_opening_it_gets_no_mail(stage: Stage, answer: bytes):
    ending = await trial(at(stage, says(answer + EXTRA)))

    assert str(ending.fault) == f"relay 127.0.0.1:{ending.relay.port}: {stage}: the relay said more than it was asked"
    assert ending.given_back == [1]
    assert ending.came_at_once


@in_event_loop
async def test_behind_the_reply_to_the_dot_it_ends_the_session_before_it_can_be_taken_for_another():
    """The extra 250 would pass for the next MAIL's reply; DATA's would then be 250, which ends it before a dot."""

    async def script(peer: Peer) -> None:
        await peer.until(Stage.DOT)
        await peer.accept(b"250 2.0.0 accepted\r\n" + EXTRA)
        await peer.accept_rest()

    ending = await trial(script, well_behaved, stock=letters(3), again=True)

    assert ending.fault is None
    assert ending.kinds == dict.fromkeys([1, 2, 3], Accepted)
    assert [len(peer.bodies) for peer in ending.relay.peers] == [1, 2]


@in_event_loop
async def test_smtplib_takes_an_extra_reply_for_that_of_the_next_command():
    """It takes it for DATA's and calls that an error of the message: where it is wrong, it is no reference."""

    async def script(peer: Peer) -> None:
        await peer.until(Stage.RCPT)
        await peer.say(b"250 2.1.5 ok\r\n" + EXTRA)
        await peer.hear("DATA")
        await peer.say(b"354 go ahead\r\n")
        await peer.hear_nothing()

    assert await code_by_smtplib(script) is None


@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT])
@pytest.mark.parametrize("ehlo", [{}, {"ehlo": LOCK_STEP}], ids=["pipelined", "in lock step"])
@in_event_loop
async def test_within_the_envelope_no_content_is_sent(stage: Stage, ehlo: dict[str, bytes]):
    """Pipelined, the extra 250 passes for DATA's answer, which it cannot be."""
    ending = await trial(at(stage, says(b"250 ok\r\n" + EXTRA * 3)), again=True, **ehlo)

    assert ending.given_back == [1]
    assert isinstance(ending.outcomes[1], Deferred)
    assert not ending.relay.bodies
    assert ending.came_at_once


@pytest.mark.parametrize("code", [250, 299, 354, 550])
@in_event_loop
async def test_to_an_idle_session_it_costs_the_session_and_no_letter(code: int):
    async def script(peer: Peer) -> None:
        await peer.until(Stage.DOT)
        await peer.accept()
        await feed.asked_for_more.wait()
        await peer.say(b"%d who is there?\r\n" % code)
        feed.more.set()
        await peer.hear_nothing()

    feed = HesitantFeed(letters(2), again=True)
    ending = await trial(script, well_behaved, feed=feed)

    assert ending.kinds == {1: Accepted, 2: Accepted}
    assert ending.fault is None


@pytest.mark.parametrize("answer", [b"200 ok\r\n", b"250 ok\r\n", b"299 ok\r\n"])
@in_event_loop
async def test_content_that_was_not_asked_for_is_not_sent(answer: bytes):
    async def script(peer: Peer) -> None:
        await peer.until(Stage.DATA)
        await peer.say(answer)
        await peer.hear_nothing()

    ending = await trial(script, again=True)

    said = Reply(Stage.MAIL, 421, "4.4.2 the relay's replies are out of step with what it was asked (mailq)")
    assert ending.outcomes == {1: Deferred(said, Fault.RELAY)}
    assert ending.came_at_once


@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT, Stage.DOT])
@in_event_loop
async def test_an_intermediate_reply_where_none_belongs_ends_the_session(stage: Stage):
    ending = await trial(at(stage, says(b"354 go ahead\r\n")), again=True)

    assert ending.given_back == ([] if stage is Stage.DOT else [1])
    assert ending.kinds == {1: Unknown if stage is Stage.DOT else Deferred}
    assert ending.came_at_once


@in_event_loop
async def test_a_dot_answered_out_of_step_leaves_that_letter_in_doubt_and_no_other():
    async def script(peer: Peer) -> None:
        await peer.until(Stage.DOT)
        await peer.say(b"354 more?\r\n")
        await peer.stall()

    ending = await trial(script, well_behaved, stock=letters(2), again=True)

    assert ending.outcomes[1] == Unknown(Doubt.RELAY_CLOSED)
    assert ending.kinds == {1: Unknown, 2: Accepted}


def large() -> bytes:
    return b"Subject: large\r\n\r\n" + (b"y" * 76 + b"\r\n") * 200_000


@pytest.mark.parametrize("content", [None, large], ids=["small", "large"])
@in_event_loop
async def test_a_250_that_is_there_before_the_dot_does_not_count_as_its_reply(content: Callable[[], bytes] | None):
    """In one piece with the 354, when the dot cannot have left."""
    stock = [letter(content=content())] if content else letters(1)
    ending = await trial(at(Stage.DATA, says(b"354 go ahead\r\n250 2.0.0 accepted already\r\n")), stock=stock, again=True)

    assert ending.given_back == [1]
    assert isinstance(ending.outcomes[1], Deferred)
    assert not ending.relay.bodies
    assert ending.came_at_once


@in_event_loop
async def test_smtplib_takes_a_250_from_before_the_dot_for_the_dots():
    """Where it is wrong, it is no reference: this relay never read the message."""
    assert await code_by_smtplib(at(Stage.DATA, says(b"354 go ahead\r\n250 2.0.0 accepted already\r\n"))) == 250


@in_event_loop
async def test_a_250_in_the_middle_of_a_large_body_does_not_count_as_its_dots():
    async def script(peer: Peer) -> None:
        await peer.until(Stage.BODY)
        await peer.reader.readexactly(100_000)
        await peer.say(b"250 2.0.0 accepted already\r\n")
        peer.reader._transport.pause_reading()
        await peer.over.wait()

    ending = await trial(script, stock=[letter(content=large())], again=True)

    assert ending.given_back == [1]
    said = Reply(Stage.BODY, 421, "4.4.2 the relay said more than it was asked (mailq)")
    assert ending.outcomes == {1: Deferred(said, Fault.RELAY)}
    assert ending.came_at_once


@pytest.mark.parametrize("begun", [b"250 2.0.0 acc", b"2", b"250-2.0.0 accepted\r\n"])
@in_event_loop
async def test_a_reply_begun_in_the_middle_of_a_large_body_is_not_its_dots(begun: bytes):
    """It would be completed behind the dot."""

    async def script(peer: Peer) -> None:
        await peer.until(Stage.BODY)
        start = await peer.reader.readexactly(100_000)
        await peer.say(begun)
        while not start.endswith(b"\r\n.\r\n") and (more := await peer.reader.read(100_000)):
            start = start[-4:] + more
        await peer.say(b"250 2.0.0 or rather not\r\n")
        await peer.stall()

    ending = await trial(script, stock=[letter(content=large())], again=True)

    assert ending.given_back == [1]
    said = Reply(Stage.BODY, 421, "4.4.2 the relay said more than it was asked (mailq)")
    assert ending.outcomes == {1: Deferred(said, Fault.RELAY)}
    assert ending.came_at_once


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b"552 5.3.4 too big", Rejected(Reply(Stage.BODY, 552, "5.3.4 too big"), Fault.CONTENT)),
        (b"550 5.7.1 spam", Rejected(Reply(Stage.BODY, 550, "5.7.1 spam"), Fault.POLICY)),
        (b"452 4.3.1 no room", Deferred(Reply(Stage.BODY, 452, "4.3.1 no room"), Fault.RELAY)),
    ],
)
@pytest.mark.parametrize("early", [True, False], ids=["before the body", "in its middle"])
@in_event_loop
async def test_a_premature_refusal_belongs_to_the_letter_whose_body_it_cut_short(answer: bytes, outcome: object, early: bool):
    async def script(peer: Peer) -> None:
        await peer.until(Stage.DATA)
        await peer.say(b"354 go ahead\r\n" + (answer + b"\r\n" if early else b""))
        if not early:
            await peer.reader.readexactly(100_000)
            await peer.say(answer + b"\r\n")
            peer.reader._transport.pause_reading()
        await peer.over.wait()

    ending = await trial(script, stock=letters(1) if early else [letter(content=large())])

    assert ending.outcomes == {1: outcome}
    assert ending.came_at_once


@in_event_loop
async def test_replies_to_letters_that_were_never_sent_end_the_session():
    """A whole dialogue's worth of replies, said ahead: a client that trusts them sends nothing and calls it sent."""

    async def script(peer: Peer) -> None:
        await peer.until(Stage.MAIL)
        await peer.say(b"250 ok\r\n250 ok\r\n354 go\r\n250 2.0.0 accepted\r\n" * 3)
        await peer.stall()

    pipelined, in_lock_step = await asyncio.gather(trial(script, again=True), trial(script, again=True, ehlo=LOCK_STEP))

    for ending in (pipelined, in_lock_step):
        assert ending.kinds == {1: Deferred}
        assert ending.given_back == [1]
        assert not ending.relay.bodies
        assert ending.came_at_once
