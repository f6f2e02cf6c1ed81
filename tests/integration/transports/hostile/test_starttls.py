"""STARTTLS stripped, refused, spoilt and injected into, in each mode of TLS."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from mailq.core.outcome import Accepted, Stage
from mailq.transports.smtp import Tls
from tests.support.asynchronous import in_event_loop
from tests.support.feeds import letters
from tests.support.hostile import (
    EHLO,
    LOCK_STEP,
    OFFERING,
    Misdeed,
    Peer,
    at,
    certified_by,
    closes,
    resets,
    says,
    stalls,
    upgrading,
    well_behaved,
)
from tests.support.trials import SHORT, trial
from tests.support.waiting import turn

CERTIFICATE = Path(__file__).with_name("certificates") / "good.pem"
TRUSTING = {"host": "localhost", "ca_file": str(CERTIFICATE)}
INSISTING = [Tls.REQUIRED, Tls.VERIFIED]
tls_of_all_sorts = pytest.mark.parametrize("tls", [Tls.OPPORTUNISTIC, *INSISTING])


def after_starttls(misdeed: Misdeed) -> Misdeed:
    """A relay that offers STARTTLS and misbehaves when it is asked for it."""

    async def script(peer: Peer) -> None:
        await peer.until(Stage.HELLO)
        await peer.say(OFFERING)
        await peer.hear("STARTTLS")
        await misdeed(peer)

    return script


@pytest.mark.parametrize("tls", INSISTING)
@pytest.mark.parametrize("ehlo", [EHLO, LOCK_STEP, b"250-x\r\n250 XSTARTTLS\r\n", b"250-x\r\n250 HELP STARTTLS\r\n"])
@in_event_loop
async def test_stripped_of_starttls_nothing_leaves_where_it_is_required(tls: Tls, ehlo: bytes):
    """As one who stands in between strips it."""
    ending = await trial(well_behaved, ehlo=ehlo, tls=tls, **TRUSTING)

    assert "the relay does not offer STARTTLS, which is required" in str(ending.fault)
    assert ending.given_back == [1]
    assert not {b"MAIL", b"AUTH"} & set(ending.relay.commands)


@in_event_loop
async def test_a_relay_that_knows_no_ehlo_offers_no_starttls():
    async def script(peer: Peer) -> None:
        await peer.until(Stage.HELLO)
        await peer.say(b"502 5.5.1 what?\r\n")
        await peer.hear("HELO")
        await peer.say(b"250 hello\r\n")
        await peer.accept_rest()

    required, opportunistic = await asyncio.gather(trial(script, tls=Tls.REQUIRED), trial(script, tls=Tls.OPPORTUNISTIC))

    assert "does not offer STARTTLS" in str(required.fault)
    assert b"MAIL" not in required.relay.commands
    assert opportunistic.kinds == {1: Accepted}


@in_event_loop
async def test_without_it_mail_goes_in_the_clear_where_that_was_all_that_was_asked():
    off, opportunistic = await asyncio.gather(trial(well_behaved, tls=Tls.OFF), trial(well_behaved, tls=Tls.OPPORTUNISTIC))

    assert off.kinds == opportunistic.kinds == {1: Accepted}


@in_event_loop
async def test_with_tls_off_it_is_not_asked_for_though_it_is_offered():
    ending = await trial(well_behaved, ehlo=OFFERING, tls=Tls.OFF)

    assert ending.kinds == {1: Accepted}
    assert b"STARTTLS\r\n" not in ending.relay.peers[0].commands


@tls_of_all_sorts
@in_event_loop
async def test_after_it_the_relay_is_asked_anew_what_it_offers(tls: Tls):
    """PIPELINING was announced before the handshake and is not announced after it."""

    async def script(peer: Peer) -> None:
        await upgrading(certified_by(CERTIFICATE), LOCK_STEP, rest=False)(peer)
        await peer.hear("MAIL")
        assert not peer.reader._buffer, "pipelined to a relay that does not announce it"
        await peer.say(b"250 ok\r\n")
        await peer.accept_rest()

    ending = await trial(script, stock=letters(2), tls=tls, **TRUSTING)

    assert ending.kinds == {1: Accepted, 2: Accepted}
    assert ending.relay.peers[0].encrypted


@tls_of_all_sorts
@pytest.mark.parametrize("injected", [b"250-PIPELINING\r\n250 injected\r\n", b"250 injec", b"\r\n", b"220 again\r\n"])
@in_event_loop
async def test_plain_text_behind_its_reply_ends_the_session(tls: Tls, injected: bytes):
    """CVE-2011-0411: it would pass for the answer to the first command of the encrypted session."""

    async def script(peer: Peer) -> None:
        await peer.say(b"220 go ahead\r\n" + injected)
        await peer.hear_nothing()

    ending = await trial(after_starttls(script), tls=tls, **TRUSTING)

    assert "tls: " in str(ending.fault)
    assert "more than it was asked" in str(ending.fault)
    assert ending.given_back == [1]
    assert ending.came_at_once


@in_event_loop
async def test_plain_text_that_comes_a_moment_later_ends_it_too():
    """Before the handshake, or as what is no part of one."""

    def later(turns: int) -> Misdeed:
        async def script(peer: Peer) -> None:
            await peer.say(b"220 go ahead\r\n")
            for _ in range(turns):
                await turn()
            await peer.say(b"250-PIPELINING\r\n250 injected\r\n")
            await peer.stall()

        return script

    endings = await asyncio.gather(*(trial(after_starttls(later(turns)), tls=Tls.REQUIRED, **TRUSTING) for turns in range(8)))

    for ending in endings:
        assert "tls: " in str(ending.fault)
        assert ending.given_back == [1]
        assert b"MAIL" not in ending.relay.commands
        assert ending.came_at_once
    reasons = " ".join(str(ending.fault) for ending in endings)
    assert "plain text behind the reply to STARTTLS" in reasons
    assert "wrong version number" in reasons, "what came after that is no handshake"


@pytest.mark.parametrize("answer", [b"454 4.7.0 TLS not available\r\n", b"502 5.5.1 what?\r\n", b"501 5.5.4 no\r\n"])
@in_event_loop
async def test_refused_it_ends_the_session_where_it_is_required(answer: bytes):
    async def script(peer: Peer) -> None:
        await peer.say(answer)
        await peer.accept_rest()

    required, verified, opportunistic = await asyncio.gather(
        *(trial(after_starttls(script), tls=tls, **TRUSTING) for tls in (*INSISTING, Tls.OPPORTUNISTIC))
    )

    for ending in (required, verified):
        assert f"tls: {answer[:3].decode()}" in str(ending.fault)
        assert b"MAIL" not in ending.relay.commands
    assert opportunistic.kinds == {1: Accepted}


async def says_nonsense(peer: Peer) -> None:
    await peer.say(b"220 go ahead\r\n")
    await peer.reader.read(1)
    await peer.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await peer.stall()


async def hangs_up(peer: Peer) -> None:
    await peer.say(b"220 go ahead\r\n")
    await peer.reader.read(1)
    peer.close()


@pytest.mark.parametrize("spoilt", [says_nonsense, hangs_up])
@in_event_loop
async def test_a_spoilt_handshake_ends_the_session_where_it_is_required(spoilt: Misdeed):
    """Where it was an opportunity, a new session in the clear does without it (RFC 7435)."""
    required, verified, opportunistic = await asyncio.gather(
        *(trial(after_starttls(spoilt), well_behaved, tls=tls, **TRUSTING) for tls in (*INSISTING, Tls.OPPORTUNISTIC))
    )

    for ending in (required, verified):
        assert "tls: " in str(ending.fault)
        assert ending.given_back == [1]
        assert b"MAIL" not in ending.relay.commands
    assert opportunistic.kinds == {1: Accepted}
    assert len(opportunistic.relay.peers) == 2


@pytest.mark.parametrize("tls", INSISTING)
@in_event_loop
async def test_a_handshake_that_stalls_is_given_up_by_its_deadline(tls: Tls):
    ending = await trial(after_starttls(says(b"220 go ahead\r\n")), tls=tls, connect_timeout=SHORT, **TRUSTING)

    assert "no handshake within 0.3 s" in str(ending.fault)
    assert ending.given_back == [1]
    assert ending.came_by(SHORT)


@pytest.mark.parametrize("misdeed", [closes, resets, stalls])
@tls_of_all_sorts
@in_event_loop
async def test_no_answer_to_it_is_the_relays_fault(misdeed: Misdeed, tls: Tls):
    ending = await trial(after_starttls(misdeed), tls=tls, command_timeout=SHORT, **TRUSTING)

    assert "tls: " in str(ending.fault)
    assert ending.given_back == [1]
    assert ending.came_by(SHORT if misdeed is stalls else timedelta())


@tls_of_all_sorts
@in_event_loop
async def test_421_in_answer_to_it_ends_the_session(tls: Tls):
    ending = await trial(after_starttls(says(b"421 4.3.2 shutting down\r\n")), tls=tls, **TRUSTING)

    assert "tls: 421 4.3.2 shutting down" in str(ending.fault)
    assert ending.given_back == [1]


@tls_of_all_sorts
@in_event_loop
async def test_what_is_promised_before_the_handshake_and_missing_after_it_is_not_used(tls: Tls):
    """AUTH and SMTPUTF8 of the first EHLO may be those of somebody in between."""

    async def script(peer: Peer) -> None:
        await upgrading(certified_by(CERTIFICATE), b"250 bare\r\n", offering=b"250-x\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n")(peer)

    ending = await trial(script, tls=tls, username="me", password="s3cret", **TRUSTING)

    assert "auth: " in str(ending.fault)
    assert b"AUTH" not in ending.relay.commands


@in_event_loop
async def test_a_tls_relay_spoken_to_in_the_clear_gets_nothing():
    """It waits for a handshake, we for a greeting: the deadline of the greeting ends it."""
    ending = await trial(at(Stage.GREETING, stalls), command_timeout=SHORT)

    assert "greeting: no reply" in str(ending.fault)
    assert ending.came_by(SHORT)
