"""How a session comes about, and what is never said on the way."""

import base64
import ssl
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from mailq.core.outcome import Accepted, Rejected, Reply, Stage
from mailq.engine.ports import RelayFault
from mailq.transports.smtp import SmtpOptions, SmtpWire, Tls
from tests.support.asynchronous import in_event_loop
from tests.support.feeds import BookFeed, letter, letters
from tests.support.hostile import LOCK_STEP, HostileRelay, Peer, hostile, well_behaved

CERTIFICATE = Path(__file__).with_name("relay.pem")
SHORT = timedelta(milliseconds=200)


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def trusting(relay: HostileRelay, **options: object) -> SmtpWire:
    facts = {"host": "localhost", "ca_file": str(CERTIFICATE), "sessions": 1, "quit_timeout": SHORT} | options
    return SmtpWire(SmtpOptions(port=relay.port, **facts))  # type: ignore[arg-type]


async def carry(wire: SmtpWire, feed: BookFeed) -> None:
    try:
        await wire.carry(feed)
    finally:
        await wire.close()
        assert feed.balanced


async def offers_starttls(peer: Peer) -> None:
    await peer.say(b"220 tls.example\r\n")
    await peer.hear("EHLO")
    await peer.say(b"250-tls.example\r\n250-PIPELINING\r\n250 STARTTLS\r\n")
    await peer.hear("STARTTLS")


async def upgrades(peer: Peer) -> None:
    await offers_starttls(peer)
    await peer.say(b"220 go ahead\r\n")
    await peer.writer.start_tls(server_tls())
    await peer.hear("EHLO")


@in_event_loop
async def test_a_letter_goes_out_over_tls():
    async with hostile(well_behaved, tls=server_tls()) as relay:
        feed = BookFeed(letters(3))

        await carry(trusting(relay, implicit_tls=True), feed)

    assert all(isinstance(feed.outcomes[seq], Accepted) for seq in (1, 2, 3))


@in_event_loop
async def test_a_certificate_nobody_vouches_for_gets_no_mail():
    async with hostile(well_behaved, tls=server_tls()) as relay:
        with pytest.raises(RelayFault, match="tls: the relay's certificate is not trusted"):
            await carry(trusting(relay, implicit_tls=True, ca_file=None), BookFeed(letters(1)))


@in_event_loop
async def test_after_starttls_the_relay_is_asked_anew_what_it_offers():
    """PIPELINING was announced before the handshake and is not announced after it."""

    async def script(peer: Peer) -> None:
        await upgrades(peer)
        await peer.say(LOCK_STEP)
        await peer.hear("MAIL")
        assert not peer.reader._buffer, "pipelined to a relay that does not announce it"
        await peer.say(b"250 ok\r\n")
        await peer.accept_rest()

    async with hostile(script) as relay:
        feed = BookFeed(letters(1))

        await carry(trusting(relay, tls=Tls.VERIFIED), feed)

    assert isinstance(feed.outcomes[1], Accepted)


@in_event_loop
async def test_without_the_required_starttls_nothing_is_sent():
    async with hostile(well_behaved) as relay:
        with pytest.raises(RelayFault, match="does not offer STARTTLS"):
            await carry(trusting(relay, tls=Tls.VERIFIED), BookFeed(letters(1)))

    assert not relay.peers[0].commands[1:]


@in_event_loop
async def test_a_refused_starttls_ends_the_session():
    async def script(peer: Peer) -> None:
        await offers_starttls(peer)
        await peer.say(b"454 4.7.0 TLS not available\r\n")
        assert await peer.reader.read() == b""

    async with hostile(script) as relay:
        with pytest.raises(RelayFault, match=r"tls: 454 4\.7\.0 TLS not available"):
            await carry(trusting(relay, tls=Tls.VERIFIED), BookFeed(letters(1)))


@pytest.mark.parametrize("injected", [b"250-PIPELINING\r\n250 injected\r\n", b"250 injec"])
@in_event_loop
async def test_plain_text_behind_the_reply_to_starttls_ends_the_session(injected: bytes):
    async def script(peer: Peer) -> None:
        await offers_starttls(peer)
        await peer.say(b"220 go ahead\r\n" + injected)
        assert await peer.reader.read() == b"", "a handshake was begun"

    async with hostile(script) as relay:
        with pytest.raises(RelayFault, match="more than it was asked"):
            await carry(trusting(relay, tls=Tls.VERIFIED), BookFeed(letters(1)))


@in_event_loop
async def test_a_relay_that_stalls_in_the_handshake_is_left():
    async def script(peer: Peer) -> None:
        await offers_starttls(peer)
        await peer.say(b"220 go ahead\r\n")
        await peer.stall()

    async with hostile(script) as relay:
        with pytest.raises(RelayFault, match="no handshake within"):
            await carry(trusting(relay, tls=Tls.VERIFIED, connect_timeout=SHORT), BookFeed(letters(1)))


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@in_event_loop
async def test_the_password_is_given_over_tls(mechanism: str):
    said = []

    async def script(peer: Peer) -> None:
        await upgrades(peer)
        await peer.say(b"250-tls.example\r\n250 AUTH " + mechanism.encode() + b"\r\n")
        line = await peer.hear("AUTH")
        if mechanism == "LOGIN":
            for prompt in (b"334 VXNlcm5hbWU6\r\n", b"334 UGFzc3dvcmQ6\r\n"):
                await peer.say(prompt)
                said.append(base64.b64decode(await peer.hear("")))
        else:
            said.append(base64.b64decode(line.split()[2]))
        await peer.say(b"235 2.7.0 welcome\r\n")
        await peer.accept_rest()

    async with hostile(script) as relay:
        feed = BookFeed(letters(1))

        await carry(trusting(relay, tls=Tls.VERIFIED, username="me", password="s3crét"), feed)

    assert isinstance(feed.outcomes[1], Accepted)
    assert said in ([b"me", "s3crét".encode()], ["\0me\0s3crét".encode()])


@in_event_loop
async def test_a_password_is_not_given_in_the_clear():
    async def script(peer: Peer) -> None:
        await peer.say(b"220 clear.example\r\n")
        await peer.hear("EHLO")
        await peer.say(b"250-clear.example\r\n250 AUTH PLAIN\r\n")
        assert await peer.reader.read() == b""

    async with hostile(script) as relay:
        with pytest.raises(RelayFault, match="not sent without TLS"):
            await carry(trusting(relay, username="me", password="s3cret"), BookFeed(letters(1)))


@in_event_loop
async def test_a_refused_password_is_the_relays_fault_and_stays_secret():
    async def script(peer: Peer) -> None:
        await peer.say(b"220 clear.example\r\n")
        await peer.hear("EHLO")
        await peer.say(b"250-clear.example\r\n250 AUTH PLAIN\r\n")
        line = await peer.hear("AUTH")
        await peer.say(b"535 5.7.8 what do you mean by " + line)

    async with hostile(script) as relay:
        feed = BookFeed(letters(1))
        with pytest.raises(RelayFault, match="auth: 535") as caught:
            await carry(trusting(relay, username="me", password="s3cret", plaintext_auth=True), feed)

    assert feed.given_back == [1]
    assert base64.b64encode(b"\0me\0s3cret").decode() not in str(caught.value)


@in_event_loop
async def test_a_relay_that_does_not_know_ehlo_is_greeted_with_helo():
    async def script(peer: Peer) -> None:
        await peer.say(b"220 old.example\r\n")
        await peer.hear("EHLO")
        await peer.say(b"502 5.5.1 what?\r\n")
        await peer.hear("HELO")
        await peer.say(b"250 hello\r\n")
        await peer.accept_rest()

    async with hostile(script) as relay:
        feed = BookFeed(letters(2))

        await carry(trusting(relay), feed)

    assert isinstance(feed.outcomes[2], Accepted)
    assert b" SIZE=" not in relay.peers[0].commands[2]


@in_event_loop
async def test_a_relay_that_is_not_there_is_at_fault_at_once():
    async with hostile(well_behaved) as relay:
        pass
    feed = BookFeed(letters(3), again=True)

    with suppress(ConnectionError), pytest.raises(RelayFault, match=rf"^relay localhost:{relay.port}: connect: "):
        await trusting(relay, sessions=4).carry(feed)

    assert feed.balanced
    assert not feed.outcomes


@in_event_loop
async def test_what_the_relay_cannot_take_is_refused_without_being_offered():
    async def script(peer: Peer) -> None:
        await peer.say(b"220 small.example\r\n")
        await peer.hear("EHLO")
        await peer.say(b"250-small.example\r\n250-PIPELINING\r\n250 SIZE 1000\r\n")
        await peer.accept_rest()

    async with hostile(script) as relay:
        feed = BookFeed(
            [
                letter(1, content=b"x" * 1001 + b"\r\n"),
                letter(2, recipient="jürgen@example.com", international=True),
                letter(3, content="Subject: x\r\n\r\nü\r\n".encode()),
                letter(4, recipient="a@b>\r\nRCPT TO:<c@d"),
                letter(5, content=b"Subject: x\r\n\r\nhello\n.\r\nMAIL FROM:<x@y>\r\n"),
                letter(6),
            ]
        )

        await carry(trusting(relay), feed)

    text = "5.6.7 the address needs SMTPUTF8 (RFC 6531), which the relay does not offer (mailq)"
    refused = {seq: outcome for seq, outcome in feed.outcomes.items() if isinstance(outcome, Rejected)}
    assert refused[2].reply == Reply(Stage.MAIL, 553, text)
    assert {seq: f"{outcome.reply.code} {outcome.reply.enhanced}" for seq, outcome in refused.items()} == {
        1: "552 5.3.4",
        2: "553 5.6.7",
        3: "554 5.6.3",
        4: "553 5.1.3",
        5: "554 5.6.0",
    }
    assert isinstance(feed.outcomes[6], Accepted)
    assert [command[:4] for command in relay.peers[0].commands] == [b"EHLO", b"MAIL", b"RCPT", b"DATA", b"QUIT"]


@in_event_loop
async def test_what_the_relay_offers_is_used():
    async with hostile(well_behaved) as relay:
        feed = BookFeed([letter(1, recipient="jürgen@example.com", content="Subject: ü\r\n\r\n".encode(), international=True)])

        await carry(trusting(relay), feed)

    assert relay.peers[0].commands[1] == b"MAIL FROM:<news@example.org> SIZE=15 BODY=8BITMIME SMTPUTF8\r\n"
    assert relay.peers[0].commands[2] == "RCPT TO:<jürgen@example.com>\r\n".encode()
