"""A relay that asks for content though it refused the envelope (RFC 2920 section 3.1): not one byte of the message leaves."""

import pytest

from mailq.core.outcome import Accepted, Fault, Rejected, Reply, Stage
from tests.support.asynchronous import in_event_loop
from tests.support.feeds import letters
from tests.support.hostile import Misdeed, Peer, closes, resets, stalls, well_behaved
from tests.support.trials import SHORT, trial

NO_SUCH_USER = Rejected(Reply(Stage.RCPT, 550, "5.1.1 no such user"), Fault.RECIPIENT)
NOT_FROM_YOU = Rejected(Reply(Stage.MAIL, 550, "5.7.1 not from you"), Fault.POLICY)


async def refuses_the_recipient_and_asks(peer: Peer) -> None:
    await peer.until(Stage.RCPT)
    await peer.say(b"550 5.1.1 no such user\r\n")
    await peer.hear("DATA")
    await peer.say(b"354 go ahead\r\n")


@pytest.mark.parametrize("answer", [b"554 5.5.1 no valid recipients\r\n", b"250 2.0.0 nothing taken\r\n"])
@in_event_loop
async def test_a_lone_dot_ends_it_and_the_session_goes_on(answer: bytes):
    """Whatever the relay says of nothing is about nothing."""

    async def script(peer: Peer) -> None:
        await refuses_the_recipient_and_asks(peer)
        assert await peer.hear_body() == b""
        await peer.say(answer)
        await peer.accept_rest()

    ending = await trial(script, stock=letters(2))

    assert ending.outcomes[1] == NO_SUCH_USER
    assert ending.kinds == {1: Rejected, 2: Accepted}
    assert len(ending.relay.peers) == 1


@pytest.mark.parametrize("misdeed", [closes, resets, stalls])
@in_event_loop
async def test_the_refusal_holds_whatever_becomes_of_the_lone_dot(misdeed: Misdeed):
    async def script(peer: Peer) -> None:
        await refuses_the_recipient_and_asks(peer)
        assert await peer.hear_body() == b""
        await misdeed(peer)

    ending = await trial(script, well_behaved, stock=letters(2), again=True, command_timeout=SHORT)

    assert ending.outcomes[1] == NO_SUCH_USER
    assert ending.kinds == {1: Rejected, 2: Accepted}
    assert ending.came_at_once


@pytest.mark.parametrize("recipient", [b"250 ok\r\n", b"503 5.5.1 MAIL first\r\n"])
@in_event_loop
async def test_without_a_sender_the_session_ends(recipient: bytes):
    """A lone dot could deliver an empty message to a recipient that was taken."""

    async def script(peer: Peer) -> None:
        await peer.until(Stage.MAIL)
        await peer.say(b"550 5.7.1 not from you\r\n" + recipient + b"354 go ahead\r\n")
        await peer.hear_all("RCPT", "DATA")
        await peer.hear_nothing()

    ending = await trial(script)

    assert ending.outcomes == {1: NOT_FROM_YOU}
    assert not ending.relay.bodies
    assert ending.came_at_once
