"""AUTH where it must not be answered, and relays that would have the password in our logs."""

import base64
from pathlib import Path

import pytest

from mailq.core.outcome import Accepted, Stage
from mailq.transports.smtp import Mechanism, Tls
from tests.support.asynchronous import in_event_loop
from tests.support.hostile import Misdeed, Peer, certified_by, closes, resets, stalls, upgrading, well_behaved
from tests.support.trials import SHORT, trial

CERTIFICATE = Path(__file__).with_name("certificates") / "good.pem"
TRUSTING = {"host": "localhost", "ca_file": str(CERTIFICATE)}
PASSWORD = "s3cret"
USER = {"username": "me", "password": PASSWORD}
OFFERING_ALL = b"250-x\r\n250 AUTH PLAIN LOGIN CRAM-MD5 XOAUTH2\r\n"


def in_the_clear(answer: Misdeed) -> Misdeed:
    """A relay that offers AUTH without TLS and answers the first line of it so."""

    async def script(peer: Peer) -> None:
        await peer.until(Stage.HELLO)
        await peer.say(OFFERING_ALL)
        await peer.hear("AUTH")
        await answer(peer)

    return script


@pytest.mark.parametrize("tls", [Tls.OFF, Tls.OPPORTUNISTIC])
@pytest.mark.parametrize("mechanism", [None, *Mechanism])
@in_event_loop
async def test_a_password_is_not_given_in_the_clear(tls: Tls, mechanism: Mechanism | None):
    ending = await trial(well_behaved, ehlo=OFFERING_ALL, tls=tls, auth=mechanism, **USER)

    assert "auth: a password is not sent without TLS" in str(ending.fault)
    assert ending.given_back == [1]
    assert ending.relay.commands == [b"EHLO"]


@in_event_loop
async def test_a_relay_that_offers_auth_only_in_the_clear_gets_neither_password_nor_mail():
    """It is asked after the handshake, where it offers none."""
    script = upgrading(certified_by(CERTIFICATE), b"250 bare\r\n", offering=b"250-x\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS\r\n")

    ending = await trial(script, tls=Tls.VERIFIED, **USER, **TRUSTING)

    assert "auth: the relay does not offer AUTH" in str(ending.fault)
    assert ending.relay.commands == [b"EHLO", b"STAR", b"EHLO"]


@in_event_loop
async def test_nor_is_there_another_session_without_tls_where_a_handshake_failed():
    """One who stands in between would only have to spoil it; and what went wrong is the handshake."""

    async def spoils(peer: Peer) -> None:
        await peer.until(Stage.HELLO)
        await peer.say(b"250-x\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n")
        await peer.hear("STARTTLS")
        await peer.say(b"220 go ahead\r\n")
        await peer.reader.read(1)

    ending = await trial(spoils, well_behaved, ehlo=OFFERING_ALL, tls=Tls.OPPORTUNISTIC, **USER)

    assert "tls: " in str(ending.fault)
    assert ending.relay.commands == [b"EHLO", b"STAR"]
    assert ending.given_back == [1]


@in_event_loop
async def test_nor_does_a_relay_that_has_not_proved_who_it_is_get_it_where_nobody_said_so():
    script = upgrading(certified_by(CERTIFICATE), OFFERING_ALL)

    ending = await trial(script, well_behaved, ehlo=OFFERING_ALL, tls=Tls.OPPORTUNISTIC, host="localhost", **USER)

    assert "tls: the relay's certificate is not trusted" in str(ending.fault)
    assert b"AUTH" not in ending.relay.commands
    assert ending.given_back == [1]


@pytest.mark.parametrize("mechanism", list(Mechanism))
@in_event_loop
async def test_a_relay_that_echoes_what_it_is_told_does_not_get_it_into_our_words(mechanism: Mechanism):
    async def echoes(peer: Peer) -> None:
        told = [peer.commands[-1].strip()]
        if told[0].count(b" ") < 2:
            for prompt in (b"334 VXNlcm5hbWU6\r\n", b"334 UGFzc3dvcmQ6\r\n")[: 2 if mechanism is Mechanism.LOGIN else 1]:
                await peer.say(prompt)
                told.append((await peer.hear("")).strip())
        await peer.say(b"535 5.7.8 what do you mean by " + b" ".join(told) + b"\r\n")
        await peer.stall()

    ending = await trial(in_the_clear(echoes), plaintext_auth=True, tls=Tls.OFF, auth=mechanism, **USER)

    said = str(ending.fault)
    assert "auth: 535" in said
    assert PASSWORD not in said
    assert not any(PASSWORD.encode() in _decoded(word) for word in said.split())
    assert ending.given_back == [1]


@pytest.mark.parametrize("mechanism", list(Mechanism))
@in_event_loop
async def test_nor_does_one_that_repeats_it_line_by_line_as_if_it_were_a_reply(mechanism: Mechanism):
    async def parrots(peer: Peer) -> None:
        line = peer.commands[-1]
        while line.startswith(b"AUTH") and line.count(b" ") < 2:
            await peer.say(b"334 VXNlcm5hbWU6\r\n")
            line = await peer.hear("")
        await peer.say(line)
        await peer.stall()

    ending = await trial(in_the_clear(parrots), plaintext_auth=True, tls=Tls.OFF, auth=mechanism, **USER)

    assert str(ending.fault).endswith("auth: what the relay says is no SMTP reply")
    assert ending.given_back == [1]


def _decoded(word: str) -> bytes:
    try:
        return base64.b64decode(word + "==")
    except ValueError:
        return b""


@pytest.mark.parametrize("misdeed", [closes, resets, stalls])
@in_event_loop
async def test_a_relay_that_ends_the_session_in_it_is_at_fault(misdeed: Misdeed):
    ending = await trial(in_the_clear(misdeed), plaintext_auth=True, tls=Tls.OFF, command_timeout=SHORT, **USER)

    assert "auth: " in str(ending.fault)
    assert ending.given_back == [1]
    assert ending.came_at_once


@pytest.mark.parametrize(
    "answer", [b"334\r\n", b"334 !!! not base64 !!!\r\n", b"334 \xff\xfe\r\n", b"334-a\r\n334 b\r\n", b"235 2.7.0 already\r\n"]
)
@pytest.mark.parametrize("mechanism", list(Mechanism))
@in_event_loop
async def test_odd_challenges_end_in_a_session_or_a_fault(mechanism: Mechanism, answer: bytes):
    async def asks(peer: Peer) -> None:
        await peer.say(answer)
        while line := await peer.reader.readline():
            if line.startswith(b"MAIL"):
                return
            await peer.say(b"535 5.7.8 no\r\n")

    ending = await trial(in_the_clear(asks), plaintext_auth=True, tls=Tls.OFF, auth=mechanism, **USER)

    assert ending.given_back == [1]
    assert ending.came_at_once
    assert ending.fault is None or "auth: " in str(ending.fault)


@pytest.mark.parametrize("mechanism", [None, *Mechanism])
@in_event_loop
async def test_over_tls_it_is_given(mechanism: Mechanism | None):
    async def script(peer: Peer) -> None:
        await upgrading(certified_by(CERTIFICATE), OFFERING_ALL, rest=False)(peer)
        line = await peer.hear("AUTH")
        if line.count(b" ") < 2:
            for _ in range(2 if b"LOGIN" in line else 1):
                await peer.say(b"334 Y2hhbGxlbmdl\r\n")
                await peer.hear("")
        await peer.say(b"235 2.7.0 welcome\r\n")
        await peer.accept_rest()

    ending = await trial(script, tls=Tls.VERIFIED, auth=mechanism, **USER, **TRUSTING)

    assert ending.kinds == {1: Accepted}
