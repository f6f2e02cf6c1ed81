"""Relays that do not pipeline, say that they do and do not, or change their mind."""

import pytest

from mailq.core.outcome import Accepted, Deferred, Doubt, Fault, Reply, Stage, Unknown
from tests.support.asynchronous import in_event_loop
from tests.support.feeds import letters
from tests.support.hostile import LOCK_STEP, Peer
from tests.support.trials import SHORT, trial
from tests.support.waiting import turn


def nothing_more(peer: Peer) -> bool:
    """Whether the client sent no command before its turn."""
    return not peer.reader._buffer


@in_event_loop
async def test_without_pipelining_no_command_leaves_before_the_reply_to_the_last():
    async def script(peer: Peer) -> None:
        await peer.until(Stage.HELLO)
        await peer.say(LOCK_STEP)
        for _ in range(2):
            for word, answer in (("MAIL", b"250 ok\r\n"), ("RCPT", b"250 ok\r\n"), ("DATA", b"354 go\r\n")):
                await peer.hear(word)
                assert nothing_more(peer)
                await peer.say(answer)
            await peer.hear_body()
            assert nothing_more(peer)
            await peer.accept()
        await peer.hear("QUIT")

    assert (await trial(script, stock=letters(2))).kinds == {1: Accepted, 2: Accepted}


@pytest.mark.parametrize(
    "announced", [b"250-x\r\n250 XPIPELINING\r\n", b"250-PIPELINING\r\n250 8BITMIME\r\n", b"250 PIPELINING\r\n"]
)
@in_event_loop
async def test_only_the_word_itself_in_a_line_of_its_own_announces_it(announced: bytes):
    """The first line of the reply is a greeting, whatever it says."""

    async def script(peer: Peer) -> None:
        await peer.until(Stage.HELLO)
        await peer.say(announced)
        await peer.hear("MAIL")
        await turn()
        assert nothing_more(peer)
        await peer.say(b"250 ok\r\n")
        await peer.accept_rest()

    assert (await trial(script)).kinds == {1: Accepted}


@in_event_loop
async def test_the_second_letter_goes_out_with_the_body_of_the_first():
    """One round trip a letter, and one letter in doubt a session."""

    async def script(peer: Peer) -> None:
        await peer.until(Stage.DOT)
        await peer.hear_all("MAIL", "RCPT", "DATA")
        assert nothing_more(peer), "no content before it was asked for"
        await peer.accept(b"250 2.0.0 accepted\r\n250 ok\r\n250 ok\r\n354 go\r\n")
        await peer.hear_body()
        await peer.accept()
        await peer.stall()

    assert (await trial(script, stock=letters(2))).kinds == {1: Accepted, 2: Accepted}


@in_event_loop
async def test_a_relay_that_drops_pipelined_commands_is_found_out_by_the_deadline():
    """It empties its input after each reply, as some do against smuggled commands: the reply to RCPT never comes."""

    async def script(peer: Peer) -> None:
        await peer.until(Stage.MAIL)
        peer.reader._buffer.clear()
        await peer.say(b"250 ok\r\n")
        await peer.stall()

    ending = await trial(script, again=True, command_timeout=SHORT)

    assert ending.outcomes == {1: Deferred(Reply(Stage.RCPT, 421, "4.4.2 no reply to rcpt in time (mailq)"), Fault.RELAY)}
    assert ending.given_back == [1]
    assert ending.came_by(SHORT, times=2)


@in_event_loop
async def test_a_relay_that_drops_what_stands_behind_a_dot_costs_no_letter():
    """The first letter is accepted; the second, whose envelope it dropped, goes out in a new session."""

    async def script(peer: Peer) -> None:
        await peer.until(Stage.DOT)
        peer.reader._buffer.clear()
        await peer.accept()
        await peer.stall()

    ending = await trial(script, stock=letters(3), again=True, command_timeout=SHORT)

    assert ending.outcomes[1] == Accepted(Reply(Stage.DOT, 250, "2.0.0 accepted"))
    assert ending.kinds[2] is Accepted
    assert ending.came_by(SHORT, times=2)


@in_event_loop
async def test_a_relay_that_takes_the_next_envelope_for_content_leaves_one_letter_in_doubt():
    """It waits for a dot of its own idea. One letter a session is past its dot, and no more."""

    async def script(peer: Peer) -> None:
        await peer.until(Stage.DOT)
        await peer.stall()

    ending = await trial(script, stock=letters(2), dot_timeout=SHORT)

    assert ending.outcomes == {1: Unknown(Doubt.TIMEOUT)}
    assert ending.given_back == [2]
    assert ending.came_by(SHORT)
