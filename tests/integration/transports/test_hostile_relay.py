"""What becomes of a letter when its relay misbehaves, at every stage. In every case each letter is accounted for exactly once."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

import pytest

from mailq.core.outcome import Accepted, Deferred, Doubt, Fault, Rejected, Reply, Stage, Unknown
from mailq.engine.ports import RelayFault
from mailq.transports.smtp import SmtpOptions, SmtpWire
from tests.support.asynchronous import in_event_loop
from tests.support.feeds import BookFeed, letter, letters
from tests.support.hostile import LOCK_STEP, HostileRelay, Peer, Script, hostile, well_behaved
from tests.support.waiting import happens

OPENING = [Stage.GREETING, Stage.HELLO]
ENVELOPE = [Stage.MAIL, Stage.RCPT, Stage.DATA]
BEFORE_THE_DOT = [*OPENING, *ENVELOPE]
SHORT = timedelta(milliseconds=200)
PATIENT = timedelta(seconds=10)
LARGE = b"Subject: large\r\n\r\n" + b"x" * 70 + b"\r\n" + (b"y" * 76 + b"\r\n") * 200_000


def wire_to(relay: HostileRelay, **options: object) -> SmtpWire:
    facts = {"sessions": 1, "command_timeout": PATIENT, "dot_timeout": PATIENT, "quit_timeout": SHORT} | options
    return SmtpWire(SmtpOptions("127.0.0.1", relay.port, **facts))  # type: ignore[arg-type]


async def carried(relay: HostileRelay, feed: BookFeed, **options: object) -> RelayFault | None:
    """Carry, check the books, and say how it ended."""
    wire = wire_to(relay, **options)
    fault = None
    try:
        await wire.carry(feed)
    except RelayFault as error:
        fault = error
    finally:
        await wire.close()
    assert feed.balanced
    return fault


async def close(peer: Peer) -> None:
    peer.close()


async def reset(peer: Peer) -> None:
    peer.reset()


async def stall(peer: Peer) -> None:
    await peer.stall()


async def garbage(peer: Peer) -> None:
    await peer.say(b"what do you want?\r\n")
    await peer.stall()


async def long_line(peer: Peer) -> None:
    with suppress(ConnectionError):
        await peer.say(b"250-" + b"x" * 2_000_000 + b"\r\n")
    await peer.stall()


async def endless_lines(peer: Peer) -> None:
    with suppress(ConnectionError):
        while not peer.writer.is_closing():
            await peer.say(b"250-and another\r\n" * 100)
            await asyncio.sleep(0)


async def contradicting_lines(peer: Peer) -> None:
    await peer.say(b"250-yes\r\n550 no\r\n")
    await peer.stall()


async def half_a_reply(peer: Peer) -> None:
    await peer.say(b"250 2.0.0 O")
    peer.close()


async def say_421(peer: Peer) -> None:
    await peer.say(b"421 4.3.2 shutting down\r\n")
    peer.close()


MISDEEDS = [close, reset, stall, garbage, long_line, endless_lines, contradicting_lines, half_a_reply]
Misdeed = Callable[[Peer], Awaitable[None]]


def at(stage: Stage, misdeed: Misdeed) -> Script:
    """A relay that behaves up to a stage and misbehaves there."""

    async def script(peer: Peer) -> None:
        await peer.until(stage)
        await misdeed(peer)

    return script


@pytest.mark.parametrize("misdeed", [*MISDEEDS, say_421])
@pytest.mark.parametrize("stage", BEFORE_THE_DOT)
@in_event_loop
async def test_whatever_happens_before_the_dot_the_letter_was_certainly_not_accepted(stage: Stage, misdeed: Misdeed):
    async with hostile(at(stage, misdeed)) as relay:
        feed = BookFeed(letters(1))

        fault = await carried(relay, feed, command_timeout=SHORT if misdeed is stall else PATIENT)

    assert feed.given_back == [1]
    assert not feed.outcomes
    assert (fault is not None) == (stage in OPENING), "only a relay that opens no session is at fault at once"
    assert not relay.bodies


@pytest.mark.parametrize("misdeed", MISDEEDS)
@in_event_loop
async def test_whatever_happens_after_the_dot_leaves_doubt(misdeed: Misdeed):
    async with hostile(at(Stage.DOT, misdeed)) as relay:
        feed = BookFeed(letters(1))

        await carried(relay, feed, dot_timeout=SHORT if misdeed is stall else PATIENT)

    assert feed.outcomes == {1: Unknown(Doubt.TIMEOUT if misdeed is stall else Doubt.RELAY_CLOSED)}
    assert len(relay.bodies) == 1


@in_event_loop
async def test_a_421_in_answer_to_the_dot_is_an_answer():
    async with hostile(at(Stage.DOT, say_421)) as relay:
        feed = BookFeed(letters(1))

        await carried(relay, feed)

    assert feed.given_back == [1]


@in_event_loop
async def test_a_connection_lost_in_the_middle_of_a_large_body_leaves_no_doubt():
    async with hostile(at(Stage.BODY, reset)) as relay:
        feed = BookFeed([letter(content=LARGE)])

        await carried(relay, feed)

    assert feed.given_back == [1]


@in_event_loop
async def test_a_relay_that_stops_reading_in_a_large_body_leaves_no_doubt():
    async def script(peer: Peer) -> None:
        await peer.until(Stage.BODY)
        peer.reader._transport.pause_reading()
        await gone.wait()

    gone = asyncio.Event()
    async with hostile(script) as relay:
        feed = BookFeed([letter(content=LARGE)])

        await carried(relay, feed, dot_timeout=SHORT)

        gone.set()
    assert feed.given_back == [1]


@pytest.mark.parametrize("stage", [*ENVELOPE, Stage.DOT])
@in_event_loop
async def test_a_reply_in_single_bytes_is_one_reply(stage: Stage):
    async def script(peer: Peer) -> None:
        await peer.until(stage)
        await peer.drip(b"550-5.7.1 not\r\n550-5.7.1 from\r\n550 5.7.1 you\r\n")
        await peer.drip(b"503 5.5.1 then not this either\r\n" * {Stage.MAIL: 2, Stage.RCPT: 1}.get(stage, 0))
        await peer.stall()

    async with hostile(script) as relay:
        feed = BookFeed(letters(1))

        await carried(relay, feed)

    assert feed.outcomes == {1: Rejected(Reply(stage, 550, "5.7.1 not 5.7.1 from 5.7.1 you"), Fault.POLICY)}


@in_event_loop
async def test_bytes_that_trickle_in_do_not_move_the_deadline():
    async def script(peer: Peer) -> None:
        await peer.until(Stage.DOT)
        with suppress(ConnectionError):
            while not peer.writer.is_closing():
                await peer.say(b"250-\r\n")
                await asyncio.wait([asyncio.ensure_future(peer.reader.read(1))], timeout=0.02)

    async with hostile(script) as relay:
        feed = BookFeed(letters(1))

        await carried(relay, feed, dot_timeout=SHORT)

    assert feed.outcomes == {1: Unknown(Doubt.TIMEOUT)}


@in_event_loop
async def test_replies_that_end_in_a_bare_line_feed_are_understood():
    async def script(peer: Peer) -> None:
        await peer.say(b"220 sloppy\n")
        await peer.hear("EHLO")
        await peer.say(b"250-sloppy\n250 PIPELINING\n")
        for word in ("MAIL", "RCPT", "DATA"):
            await peer.hear(word)
        await peer.say(b"250 ok\n250 ok\n354 go\n")
        await peer.hear_body()
        await peer.say(b"250 taken\n")
        await peer.stall()

    async with hostile(script) as relay:
        feed = BookFeed(letters(1))

        await carried(relay, feed)

    assert feed.outcomes == {1: Accepted(Reply(Stage.DOT, 250, "taken"))}


@in_event_loop
async def test_an_extra_reply_ends_the_session_before_it_can_be_taken_for_another():
    """The extra 250 would pass for the next MAIL's reply; DATA's would then be 250, which ends it before a dot."""

    async def script(peer: Peer) -> None:
        await peer.until(Stage.DOT)
        await peer.say(b"250 2.0.0 accepted\r\n250 2.0.0 and again\r\n")
        await peer.accept_rest()

    async with hostile(script, well_behaved) as relay:
        feed = BookFeed(letters(3), again=True)

        fault = await carried(relay, feed)

    assert fault is None
    assert {seq: type(outcome) for seq, outcome in feed.outcomes.items()} == dict.fromkeys([1, 2, 3], Accepted)
    assert [len(peer.bodies) for peer in relay.peers] == [1, 2]


@in_event_loop
async def test_a_reply_that_is_there_before_the_dot_does_not_count_as_its_reply():
    async def script(peer: Peer) -> None:
        await peer.until(Stage.DATA)
        await peer.say(b"354 go ahead\r\n250 2.0.0 accepted already\r\n")
        await peer.stall()

    async with hostile(script) as relay:
        feed = BookFeed(letters(1))

        await carried(relay, feed)

    assert feed.given_back == [1]


@in_event_loop
async def test_a_refusal_that_is_there_before_the_dot_belongs_to_its_letter():
    async def script(peer: Peer) -> None:
        await peer.until(Stage.DATA)
        await peer.say(b"354 go ahead\r\n552 5.3.4 on second thought, too big\r\n")
        await peer.stall()

    async with hostile(script) as relay:
        feed = BookFeed(letters(1))

        await carried(relay, feed)

    assert feed.outcomes == {1: Rejected(Reply(Stage.BODY, 552, "5.3.4 on second thought, too big"), Fault.CONTENT)}


@in_event_loop
async def test_a_refused_recipient_costs_only_that_letter():
    async def script(peer: Peer) -> None:
        await peer.until(Stage.RCPT)
        await peer.say(b"550 5.1.1 no such user\r\n")
        await peer.hear("DATA")
        await peer.say(b"503 5.5.1 no recipient\r\n")
        await peer.accept_rest()

    async with hostile(script) as relay:
        feed = BookFeed(letters(2))

        await carried(relay, feed)

    assert feed.outcomes[1] == Rejected(Reply(Stage.RCPT, 550, "5.1.1 no such user"), Fault.RECIPIENT)
    assert isinstance(feed.outcomes[2], Accepted)
    assert relay.peers[0].commands[4] == b"RSET\r\n", "the transaction that MAIL began is ended before the next MAIL"


@in_event_loop
async def test_a_refused_sender_takes_the_replies_to_rcpt_and_data_with_it():
    async def script(peer: Peer) -> None:
        await peer.until(Stage.MAIL)
        await peer.say(b"550 5.7.1 not from you\r\n503 5.5.1 MAIL first\r\n503 5.5.1 RCPT first\r\n")
        await peer.hear("RCPT")
        await peer.hear("DATA")
        await peer.accept_rest()

    async with hostile(script) as relay:
        feed = BookFeed(letters(2))

        await carried(relay, feed)

    assert feed.outcomes[1] == Rejected(Reply(Stage.MAIL, 550, "5.7.1 not from you"), Fault.POLICY)
    assert isinstance(feed.outcomes[2], Accepted)


@in_event_loop
async def test_content_that_is_asked_for_without_a_recipient_is_ended_by_a_lone_dot():
    """RFC 2920 section 3.1."""

    async def script(peer: Peer) -> None:
        await peer.until(Stage.RCPT)
        await peer.say(b"550 5.1.1 no such user\r\n")
        await peer.hear("DATA")
        await peer.say(b"354 go ahead\r\n")
        assert await peer.hear_body() == b""
        await peer.say(b"554 5.5.1 no valid recipients\r\n")
        await peer.accept_rest()

    async with hostile(script) as relay:
        feed = BookFeed(letters(2))

        await carried(relay, feed)

    assert feed.outcomes[1] == Rejected(Reply(Stage.RCPT, 550, "5.1.1 no such user"), Fault.RECIPIENT)
    assert isinstance(feed.outcomes[2], Accepted)
    assert len(relay.peers) == 1


@in_event_loop
async def test_content_that_is_asked_for_without_a_sender_ends_the_session():
    """A lone dot could deliver an empty message to the recipient that was taken."""

    async def script(peer: Peer) -> None:
        await peer.until(Stage.MAIL)
        await peer.say(b"550 5.7.1 not from you\r\n250 ok\r\n354 go ahead\r\n")
        for word in ("RCPT", "DATA"):
            await peer.hear(word)
        assert await peer.reader.read() == b""

    async with hostile(script) as relay:
        feed = BookFeed(letters(1))

        await carried(relay, feed)

    assert feed.outcomes == {1: Rejected(Reply(Stage.MAIL, 550, "5.7.1 not from you"), Fault.POLICY)}


@pytest.mark.parametrize("misdeed", [close, reset, stall])
@in_event_loop
async def test_what_was_said_of_a_recipient_holds_though_the_session_breaks(misdeed: Misdeed):
    async def script(peer: Peer) -> None:
        await peer.until(Stage.RCPT)
        await peer.say(b"550 5.1.1 no such user\r\n")
        await peer.hear("DATA")
        await misdeed(peer)

    async with hostile(script) as relay:
        feed = BookFeed(letters(1))

        await carried(relay, feed, command_timeout=SHORT if misdeed is stall else PATIENT)

    # A reset may destroy the reply on its way.
    assert feed.outcomes or misdeed is reset
    if feed.outcomes:
        assert feed.outcomes == {1: Rejected(Reply(Stage.RCPT, 550, "5.1.1 no such user"), Fault.RECIPIENT)}


@pytest.mark.parametrize(("answer", "first"), [(b"421 4.3.2 bye\r\n", None), (b"", Unknown(Doubt.RELAY_CLOSED))])
@in_event_loop
async def test_a_letter_pipelined_behind_a_dot_that_ends_the_session_was_not_accepted(answer: bytes, first: Unknown | None):
    async def script(peer: Peer) -> None:
        await peer.until(Stage.DOT)
        for word in ("MAIL", "RCPT", "DATA"):
            await peer.hear(word)
        await peer.say(answer)
        peer.close()

    async with hostile(script) as relay:
        feed = BookFeed(letters(2))

        await carried(relay, feed)

    assert feed.outcomes.get(1) == first
    assert 2 in feed.given_back


@in_event_loop
async def test_without_pipelining_no_command_leaves_before_the_reply_to_the_last():
    async def script(peer: Peer) -> None:
        await peer.say(b"220 slow.example\r\n")
        await peer.hear("EHLO")
        await peer.say(LOCK_STEP)
        for _ in range(2):
            for word, answer in (("MAIL", b"250 ok\r\n"), ("RCPT", b"250 ok\r\n"), ("DATA", b"354 go\r\n")):
                await peer.hear(word)
                assert not peer.reader._buffer, "a command came before its turn"
                await peer.say(answer)
            await peer.hear_body()
            assert not peer.reader._buffer, "a command came before its turn"
            await peer.say(b"250 taken\r\n")
        await peer.hear("QUIT")

    async with hostile(script) as relay:
        feed = BookFeed(letters(2))

        await carried(relay, feed)

    assert [type(outcome) for outcome in feed.outcomes.values()] == [Accepted, Accepted]


@in_event_loop
async def test_without_pipelining_a_refused_recipient_is_followed_by_a_reset():
    async def script(peer: Peer) -> None:
        await peer.until(Stage.RCPT)
        await peer.say(b"550 5.1.1 no such user\r\n")
        await peer.accept_rest()

    async with hostile(script, ehlo=LOCK_STEP) as relay:
        feed = BookFeed(letters(2))

        await carried(relay, feed)

    assert isinstance(feed.outcomes[1], Rejected)
    assert isinstance(feed.outcomes[2], Accepted)
    assert [command[:4] for command in relay.peers[0].commands[3:6]] == [b"RSET", b"MAIL", b"RCPT"]


@in_event_loop
async def test_one_broken_connection_does_not_stop_the_carry():
    async with hostile(at(Stage.GREETING, say_421), well_behaved) as relay:
        feed = BookFeed(letters(40), again=True)

        fault = await carried(relay, feed, sessions=4)

    assert fault is None
    assert len(feed.outcomes) == 40
    assert all(isinstance(outcome, Accepted) for outcome in feed.outcomes.values())


@in_event_loop
async def test_five_faults_in_a_row_rest_the_relay():
    async with hostile(at(Stage.MAIL, say_421)) as relay:
        feed = BookFeed(letters(40), again=True)

        fault = await carried(relay, feed)

    assert fault is not None
    assert str(fault) == f"relay 127.0.0.1:{relay.port}: 421 4.3.2 shutting down"
    assert len(relay.peers) == 5
    assert len(feed.outcomes) == 2, "two letters were put off, because each broke two fresh sessions"


@in_event_loop
async def test_a_letter_that_breaks_every_session_is_put_off_and_the_others_go_out():
    async def script(peer: Peer) -> None:
        await peer.say(b"220 picky.example\r\n")
        await peer.hear("EHLO")
        await peer.say(LOCK_STEP)
        while line := await peer.reader.readline():
            if line.startswith(b"RCPT TO:<r3@"):
                await peer.say(b"421 4.7.0 I do not like this one\r\n")
                return
            if line.startswith(b"QUIT"):
                return
            if line.startswith(b"DATA"):
                await peer.say(b"354 go\r\n")
                await peer.hear_body()
            await peer.say(b"250 ok\r\n")

    async with hostile(script) as relay:
        feed = BookFeed(letters(8), again=True)

        fault = await carried(relay, feed)

    assert fault is None
    assert feed.outcomes.pop(3) == Deferred(Reply(Stage.RCPT, 421, "4.7.0 I do not like this one"), Fault.RELAY)
    assert len(feed.outcomes) == 7
    assert all(isinstance(outcome, Accepted) for outcome in feed.outcomes.values())


@in_event_loop
async def test_a_relay_that_ends_every_session_after_some_letters_is_not_at_fault():
    async def script(peer: Peer) -> None:
        await peer.until(Stage.DOT)
        await peer.say(b"250 2.0.0 accepted\r\n421 4.7.0 enough for one connection\r\n")
        peer.close()

    async with hostile(script) as relay:
        feed = BookFeed(letters(20), again=True)

        fault = await carried(relay, feed, sessions=3)

    assert fault is None
    assert len(feed.outcomes) == len(relay.bodies) == 20
    assert all(isinstance(outcome, Accepted) for outcome in feed.outcomes.values())


@in_event_loop
async def test_sessions_that_all_wear_out_at_once_are_no_fault():
    """Six sessions end in answer to their second letter, one after the other, and nothing is accepted between."""

    async def script(peer: Peer) -> None:
        await peer.until(Stage.DOT)
        await at_the_dot.wait()
        await peer.say(b"250 2.0.0 accepted\r\n")
        await happens(lambda: len(feed.outcomes) >= 6)
        await peer.say(b"421 4.7.0 enough for one connection\r\n")

    at_the_dot = asyncio.Barrier(6)
    feed = BookFeed(letters(12), again=True)
    async with hostile(*[script] * 6, well_behaved) as relay:
        fault = await carried(relay, feed, sessions=6)

    assert fault is None
    assert len(feed.outcomes) == 12
    assert all(isinstance(outcome, Accepted) for outcome in feed.outcomes.values())


@in_event_loop
async def test_faults_with_letters_accepted_between_do_not_add_up():
    async def takes_one(peer: Peer) -> None:
        await peer.until(Stage.DOT)
        await peer.say(b"250 2.0.0 accepted\r\n421 4.7.0 enough for one connection\r\n")

    async with hostile(*[at(Stage.MAIL, say_421), takes_one] * 8, well_behaved) as relay:
        feed = BookFeed(letters(8), again=True)

        fault = await carried(relay, feed)

    assert fault is None
    assert len(feed.outcomes) == 8
    assert all(isinstance(outcome, Accepted) for outcome in feed.outcomes.values())


@in_event_loop
async def test_a_letter_is_not_blamed_for_the_session_that_the_one_before_it_ended():
    """Blamed for two new sessions it would be put off."""
    async with hostile(at(Stage.DOT, close), at(Stage.MAIL, say_421), well_behaved) as relay:
        feed = BookFeed(letters(2), again=True)

        await carried(relay, feed)

    assert feed.outcomes[1] == Unknown(Doubt.RELAY_CLOSED)
    assert isinstance(feed.outcomes[2], Accepted)


@pytest.mark.parametrize("answer", [b"250 ok\r\n", b"299 ok\r\n"])
@in_event_loop
async def test_content_that_was_not_asked_for_is_not_sent(answer: bytes):
    async def script(peer: Peer) -> None:
        await peer.until(Stage.DATA)
        await peer.say(answer)
        assert await peer.reader.read() == b""

    async with hostile(script) as relay:
        feed = BookFeed(letters(1))

        await carried(relay, feed)

    assert feed.given_back == [1]


@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT, Stage.DOT])
@in_event_loop
async def test_an_intermediate_reply_where_none_belongs_ends_the_session(stage: Stage):
    async def script(peer: Peer) -> None:
        await peer.until(stage)
        await peer.say(b"354 go ahead\r\n")
        await peer.stall()

    async with hostile(script) as relay:
        feed = BookFeed(letters(1))

        await carried(relay, feed)

    assert feed.given_back == ([] if stage is Stage.DOT else [1])
    assert feed.outcomes == ({1: Unknown(Doubt.RELAY_CLOSED)} if stage is Stage.DOT else {})


@in_event_loop
async def test_a_relay_without_room_rests_after_five_letters_instead_of_putting_off_all():
    async def script(peer: Peer) -> None:
        await peer.say(b"220 full.example\r\n")
        await peer.hear("EHLO")
        await peer.say(peer.ehlo)
        while await peer.reader.readline():
            await peer.say(b"452 4.3.1 no space\r\n")

    async with hostile(script) as relay:
        feed = BookFeed(letters(100))

        fault = await carried(relay, feed)

    assert fault is not None
    assert "452 4.3.1 no space" in str(fault)
    assert len(feed.outcomes) < 10
    assert {outcome.fault for outcome in feed.outcomes.values()} == {Fault.RELAY}  # type: ignore[union-attr]
