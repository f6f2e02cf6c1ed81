"""Refusals at every stage: each costs its letter, and no other."""

import asyncio

import pytest

from mailq.core.outcome import Accepted, Deferred, Fault, Rejected, Reply, Stage
from tests.support.asynchronous import in_event_loop
from tests.support.feeds import letters
from tests.support.hostile import LOCK_STEP, Peer, Script
from tests.support.trials import code_by_smtplib, trial

either_way = pytest.mark.parametrize("ehlo", [{}, {"ehlo": LOCK_STEP}], ids=["pipelined", "in lock step"])


def refuses_the_first(stage: Stage, answer: bytes) -> Script:
    """A relay that refuses one letter there as RFC 2920 section 3.2 has it, and takes all others."""

    async def script(peer: Peer) -> None:
        await peer.until(stage)
        await peer.say(answer)
        if b"PIPELINING" in peer.ehlo:
            for word in {Stage.MAIL: ("RCPT", "DATA"), Stage.RCPT: ("DATA",)}.get(stage, ()):
                await peer.hear(word)
                await peer.say(b"503 5.5.1 not now\r\n")
        await peer.accept_rest()

    return script


@pytest.mark.parametrize(
    ("stage", "answer", "outcome"),
    [
        (Stage.MAIL, "550 5.7.1 not from you", Rejected(Reply(Stage.MAIL, 550, "5.7.1 not from you"), Fault.POLICY)),
        (Stage.MAIL, "552 5.3.4 too big", Rejected(Reply(Stage.MAIL, 552, "5.3.4 too big"), Fault.CONTENT)),
        (Stage.MAIL, "451 4.3.0 not now", Deferred(Reply(Stage.MAIL, 451, "4.3.0 not now"), Fault.RELAY)),
        (Stage.RCPT, "550 5.1.1 no such user", Rejected(Reply(Stage.RCPT, 550, "5.1.1 no such user"), Fault.RECIPIENT)),
        (Stage.RCPT, "450 4.7.1 greylisted", Deferred(Reply(Stage.RCPT, 450, "4.7.1 greylisted"), Fault.POLICY)),
        (Stage.DATA, "554 5.7.1 no", Rejected(Reply(Stage.DATA, 554, "5.7.1 no"), Fault.POLICY)),
        (Stage.DATA, "451 4.3.0 not now", Deferred(Reply(Stage.DATA, 451, "4.3.0 not now"), Fault.RELAY)),
        (Stage.DOT, "552 5.3.4 too big after all", Rejected(Reply(Stage.DOT, 552, "5.3.4 too big after all"), Fault.CONTENT)),
        (Stage.DOT, "550 5.7.1 spam", Rejected(Reply(Stage.DOT, 550, "5.7.1 spam"), Fault.POLICY)),
        (Stage.DOT, "451 4.3.0 queue is full", Deferred(Reply(Stage.DOT, 451, "4.3.0 queue is full"), Fault.RELAY)),
    ],
)
@either_way
@in_event_loop
async def test_a_refusal_costs_only_its_letter(stage: Stage, answer: str, outcome: object, ehlo: dict[str, bytes]):
    script = refuses_the_first(stage, answer.encode() + b"\r\n")

    ending = await trial(script, stock=letters(3), **ehlo)
    code = await code_by_smtplib(refuses_the_first(stage, answer.encode() + b"\r\n"), ehlo=LOCK_STEP)

    assert ending.outcomes[1] == outcome
    assert ending.kinds == {1: type(outcome), 2: Accepted, 3: Accepted}
    assert len(ending.relay.peers) == 1, "over the same session"
    assert code == int(answer[:3])


@either_way
@in_event_loop
async def test_a_refused_recipient_is_followed_by_a_reset(ehlo: dict[str, bytes]):
    """The transaction that MAIL began is ended before the next MAIL."""
    ending = await trial(refuses_the_first(Stage.RCPT, b"550 5.1.1 no such user\r\n"), stock=letters(2), **ehlo)

    commands = ending.relay.commands
    assert commands[commands.index(b"RSET") + 1 :] == [b"MAIL", b"RCPT", b"DATA", b"QUIT"]
    assert commands[: commands.index(b"RSET")] == [b"EHLO", b"MAIL", b"RCPT", *([] if ehlo else [b"DATA"])]


@in_event_loop
async def test_a_refused_reset_ends_the_session():
    """The relay may still be in the middle of the other letter's transaction."""

    async def script(peer: Peer) -> None:
        await peer.until(Stage.RCPT)
        await peer.say(b"550 5.1.1 no such user\r\n")
        await peer.hear("DATA")
        await peer.say(b"503 5.5.1 no recipient\r\n")
        await peer.hear("RSET")
        await peer.say(b"502 5.5.1 no\r\n250 ok\r\n250 ok\r\n354 go\r\n")
        await peer.hear_all("MAIL", "RCPT", "DATA")
        await peer.hear_nothing()

    ending = await trial(script, stock=letters(2))

    assert ending.kinds == {1: Rejected}
    assert ending.given_back == [2]


@in_event_loop
async def test_a_relay_without_room_rests_after_five_letters_instead_of_putting_off_all():
    async def script(peer: Peer) -> None:
        await peer.until(Stage.HELLO)
        await peer.say(peer.ehlo)
        while await peer.reader.readline():
            await peer.say(b"452 4.3.1 no space\r\n")

    ending = await trial(script, stock=letters(100))

    assert "452 4.3.1 no space" in str(ending.fault)
    assert len(ending.outcomes) < 10
    assert {outcome.fault for outcome in ending.outcomes.values()} == {Fault.RELAY}  # type: ignore[union-attr]


@in_event_loop
async def test_refusals_of_recipients_never_rest_a_relay():
    """A thousand unknown addresses say nothing against it."""

    async def script(peer: Peer) -> None:
        await peer.until(Stage.HELLO)
        await peer.say(peer.ehlo)
        answers = {b"RCPT": b"550 5.1.1 no such user\r\n", b"DATA": b"503 5.5.1 no recipient\r\n"}
        while line := await peer.reader.readline():
            await peer.say(answers.get(line[:4], b"250 ok\r\n"))

    ending = await trial(script, stock=letters(100))

    assert ending.fault is None
    assert ending.kinds == dict.fromkeys(range(1, 101), Rejected)


@in_event_loop
async def test_smtplib_and_we_agree_on_a_refusal_in_many_lines():
    async def script(peer: Peer) -> None:
        await peer.until(Stage.DOT)
        await peer.say(b"550-5.7.1 read our policy\r\n550 5.7.1 at https://example.net\r\n")
        await peer.accept_rest()

    ending, code = await asyncio.gather(trial(script), code_by_smtplib(script))

    assert ending.kinds == {1: Rejected}
    assert code == 550
