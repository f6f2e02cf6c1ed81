"""`421` anywhere: the relay ends the session, and its answer says that nothing was accepted (RFC 5321 section 3.8)."""

import asyncio

import pytest

from mailq.core.outcome import Accepted, Deferred, Fault, Reply, Stage
from tests.support.asynchronous import in_event_loop
from tests.support.feeds import BookFeed, HesitantFeed, letters
from tests.support.hostile import LOCK_STEP, Peer, Script, at, well_behaved
from tests.support.trials import ENVELOPE, OPENING, code_by_smtplib, trial
from tests.support.waiting import happens

SAID = "4.3.2 shutting down"


async def says_421(peer: Peer) -> None:
    await peer.say(f"421 {SAID}\r\n".encode())
    peer.close()


async def says_421_and_stays(peer: Peer) -> None:
    """The client must not wait for the relay to hang up."""
    await peer.say(f"421 {SAID}\r\n".encode())
    await peer.stall()


@pytest.mark.parametrize("misdeed", [says_421, says_421_and_stays])
@pytest.mark.parametrize("stage", OPENING)
@in_event_loop
async def test_in_the_opening_the_relay_is_at_fault(stage: Stage, misdeed: Script):
    ending = await trial(at(stage, misdeed))

    assert str(ending.fault) == f"relay 127.0.0.1:{ending.relay.port}: {stage}: 421 {SAID}"
    assert ending.given_back == [1]
    assert ending.came_at_once


@pytest.mark.parametrize("ehlo", [{}, {"ehlo": LOCK_STEP}], ids=["pipelined", "in lock step"])
@pytest.mark.parametrize("misdeed", [says_421, says_421_and_stays])
@pytest.mark.parametrize("stage", [*ENVELOPE, Stage.DOT])
@in_event_loop
async def test_in_answer_to_a_letter_it_is_given_back_and_then_put_off(stage: Stage, misdeed: Script, ehlo: dict[str, bytes]):
    """After the dot too: 421 is an answer, and leaves no doubt."""
    ending, code = await asyncio.gather(
        trial(at(stage, misdeed), again=True, **ehlo), code_by_smtplib(at(stage, misdeed), **ehlo)
    )

    assert ending.given_back == [1]
    assert ending.outcomes == {1: Deferred(Reply(stage, 421, SAID), Fault.RELAY)}
    assert ending.fault is None
    assert ending.came_at_once
    assert code == 421


@in_event_loop
async def test_in_answer_to_a_dot_it_answers_what_is_pipelined_behind_it_too():
    async def script(peer: Peer) -> None:
        await peer.until(Stage.DOT)
        await peer.hear_all("MAIL", "RCPT", "DATA")
        await says_421(peer)

    ending = await trial(script, stock=letters(2))

    assert sorted(ending.given_back) == [1, 2]
    assert not ending.outcomes


@in_event_loop
async def test_in_the_middle_of_a_body():
    async def script(peer: Peer) -> None:
        await peer.until(Stage.DATA)
        await peer.say(b"354 go ahead\r\n" + f"421 {SAID}\r\n".encode())
        peer.close()

    ending = await trial(script, well_behaved, again=True)

    assert ending.given_back == [1]
    assert ending.kinds == {1: Accepted}


@pytest.mark.parametrize("pieces", [1, 2])
@in_event_loop
async def test_between_messages_it_costs_no_letter(pieces: int):
    """With the reply to the dot, and after it; the next letter has been pipelined already."""

    async def script(peer: Peer) -> None:
        await peer.until(Stage.DOT)
        enough = b"421 4.7.0 enough for one connection\r\n"
        await peer.accept(b"250 2.0.0 accepted\r\n" + (enough if pieces == 1 else b""))
        if pieces == 2:
            await peer.say(enough)
        peer.close()

    ending = await trial(script, stock=letters(20), again=True, sessions=3)

    assert ending.fault is None, "a relay that ends every session after some letters is not at fault"
    assert ending.kinds == dict.fromkeys(range(1, 21), Accepted)
    assert len(ending.relay.peers) == 20


@in_event_loop
async def test_to_an_idle_session_it_costs_nothing():
    async def script(peer: Peer) -> None:
        await peer.until(Stage.DOT)
        await peer.accept()
        await feed.asked_for_more.wait()
        await says_421(peer)
        feed.more.set()

    feed = HesitantFeed(letters(2))
    ending = await trial(script, well_behaved, feed=feed)

    assert ending.kinds == {1: Accepted, 2: Accepted}
    assert not ending.given_back
    assert ending.fault is None


@in_event_loop
async def test_sessions_that_all_wear_out_at_once_are_no_fault():
    """Six sessions end in answer to their second letter, one after the other, and nothing is accepted between."""

    async def script(peer: Peer) -> None:
        await peer.until(Stage.DOT)
        await at_the_dot.wait()
        await peer.accept()
        await happens(lambda: len(feed.outcomes) >= 6)
        await peer.say(b"421 4.7.0 enough for one connection\r\n")

    at_the_dot = asyncio.Barrier(6)
    feed = BookFeed(letters(12), again=True)
    ending = await trial(*[script] * 6, well_behaved, feed=feed, sessions=6)

    assert ending.fault is None
    assert ending.kinds == dict.fromkeys(range(1, 13), Accepted)


@in_event_loop
async def test_faults_with_letters_accepted_between_do_not_add_up():
    async def takes_one(peer: Peer) -> None:
        await peer.until(Stage.DOT)
        await peer.accept(b"250 2.0.0 accepted\r\n421 4.7.0 enough for one connection\r\n")

    ending = await trial(*[at(Stage.MAIL, says_421), takes_one] * 8, well_behaved, stock=letters(8), again=True)

    assert ending.fault is None
    assert ending.kinds == dict.fromkeys(range(1, 9), Accepted)


@in_event_loop
async def test_five_in_a_row_rest_the_relay():
    ending = await trial(at(Stage.MAIL, says_421), stock=letters(40), again=True)

    assert str(ending.fault) == f"relay 127.0.0.1:{ending.relay.port}: 421 {SAID}"
    assert len(ending.relay.peers) == 5
    assert ending.kinds == {1: Deferred, 2: Deferred}, "each of them broke two fresh sessions"


@in_event_loop
async def test_a_letter_that_breaks_every_session_is_put_off_and_the_others_go_out():
    async def script(peer: Peer) -> None:
        await peer.until(Stage.HELLO)
        await peer.say(LOCK_STEP)
        while await peer.another():
            await peer.say(b"250 ok\r\n")
            await peer.hear("RCPT")
            if b"<r3@" in peer.commands[-1]:
                await peer.say(b"421 4.7.0 I do not like this one\r\n")
                return
            await peer.say(b"250 ok\r\n")
            await peer.hear("DATA")
            await peer.say(b"354 go\r\n")
            await peer.hear_body()
            await peer.accept()

    ending = await trial(script, stock=letters(8), again=True)

    assert ending.fault is None
    assert ending.outcomes.pop(3) == Deferred(Reply(Stage.RCPT, 421, "4.7.0 I do not like this one"), Fault.RELAY)
    assert set(ending.kinds.values()) == {Accepted}
    assert len(ending.kinds) == 7
