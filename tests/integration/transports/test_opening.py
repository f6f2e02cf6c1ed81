"""How a session comes about, and what is never said on the way."""

import ssl
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from mailq.core.outcome import Accepted, Rejected, Reply, Stage
from mailq.engine.ports import RelayFault
from mailq.transports.smtp import SmtpOptions, SmtpWire, Tls
from tests.support.asynchronous import in_event_loop
from tests.support.feeds import BookFeed, carry, letter, letters
from tests.support.hostile import LOCK_STEP, HostileRelay, Peer, Script, hostile, well_behaved

CERTIFICATE = Path(__file__).with_name("relay.pem")
SHORT = timedelta(milliseconds=200)


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def trusting(relay: HostileRelay, **options: object) -> SmtpWire:
    facts = {"host": "localhost", "ca_file": str(CERTIFICATE), "sessions": 1, "quit_timeout": SHORT} | options
    return SmtpWire(SmtpOptions(port=relay.port, **facts))  # type: ignore[arg-type]


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


async def refuses_starttls(peer: Peer) -> None:
    await offers_starttls(peer)
    await peer.say(b"454 4.7.0 TLS not available\r\n")
    await peer.accept_rest()


async def offers_starttls_in_vain(peer: Peer) -> None:
    await peer.say(b"220 tls.example\r\n")
    await peer.hear("EHLO")
    await peer.say(b"250-tls.example\r\n250 STARTTLS\r\n")
    await peer.hear("MAIL")
    await peer.say(b"250 2.1.0 ok\r\n")
    await peer.accept_rest()


async def fails_the_handshake(peer: Peer) -> None:
    await offers_starttls(peer)
    await peer.say(b"220 go ahead\r\n")
    await peer.reader.read(1)
    await peer.say(b"what is this?\r\n")
    peer.close()


@pytest.mark.parametrize("tls", [Tls.REQUIRED, Tls.VERIFIED])
@pytest.mark.parametrize(
    ("script", "why"),
    [
        (well_behaved, "does not offer STARTTLS"),
        (refuses_starttls, r"454 4\.7\.0 TLS not available"),
        (fails_the_handshake, ""),
    ],
)
@in_event_loop
async def test_where_encryption_is_a_must_nothing_is_sent_without_it(script: Script, why: str, tls: Tls):
    async with hostile(script) as relay:
        with pytest.raises(RelayFault, match=f"tls: .*{why}"):
            await carry(trusting(relay, tls=tls), BookFeed(letters(1)))

    assert not any(command.startswith(b"MAIL") for peer in relay.peers for command in peer.commands)


@pytest.mark.parametrize(("script", "connections"), [(well_behaved, 1), (refuses_starttls, 1), (fails_the_handshake, 2)])
@in_event_loop
async def test_an_opportunity_that_comes_to_nothing_leaves_mail_in_the_clear(script: Script, connections: int):
    """After a failed handshake over a new connection: nothing is known of the old one any more."""
    async with hostile(script, offers_starttls_in_vain) as relay:
        feed = BookFeed(letters(2))

        await carry(trusting(relay, tls=Tls.OPPORTUNISTIC), feed)

    assert isinstance(feed.outcomes[2], Accepted)
    assert len(relay.peers) == connections


@pytest.mark.parametrize("tls", [Tls.OPPORTUNISTIC, Tls.REQUIRED])
@in_event_loop
async def test_who_asks_for_no_certificate_is_encrypted_to_anybody(tls: Tls):
    encrypted = []

    async def script(peer: Peer) -> None:
        await upgrades(peer)
        encrypted.append(peer.writer.get_extra_info("cipher") is not None)
        await peer.say(LOCK_STEP)
        await peer.accept_rest()

    async with hostile(script) as relay:
        feed = BookFeed(letters(1))

        await carry(trusting(relay, tls=tls, host="127.0.0.1", ca_file=None), feed)

    assert isinstance(feed.outcomes[1], Accepted)
    assert encrypted == [True]


@pytest.mark.parametrize(
    ("host", "ca_file"),
    [("localhost", None), ("127.1", str(CERTIFICATE))],
    ids=["nobody vouches for it", "it is another host's"],
)
@in_event_loop
async def test_a_relay_that_cannot_prove_who_it_is_gets_no_mail_where_it_must(host: str, ca_file: str | None):
    async with hostile(upgrades) as relay:
        with pytest.raises(RelayFault, match="tls: the relay's certificate is not trusted"):
            await carry(trusting(relay, tls=Tls.VERIFIED, host=host, ca_file=ca_file), BookFeed(letters(1)))


@in_event_loop
async def test_tls_that_is_off_is_not_begun_though_it_is_offered():
    async with hostile(offers_starttls_in_vain) as relay:
        feed = BookFeed(letters(1))

        await carry(trusting(relay, tls=Tls.OFF), feed)

    assert isinstance(feed.outcomes[1], Accepted)
    assert relay.peers[0].commands[1].startswith(b"MAIL")


@in_event_loop
async def test_with_smtps_a_certificate_is_not_asked_for_where_the_user_says_so():
    async with hostile(well_behaved, tls=server_tls()) as relay:
        feed = BookFeed(letters(1))

        await carry(trusting(relay, implicit_tls=True, tls=Tls.REQUIRED, ca_file=None), feed)

    assert isinstance(feed.outcomes[1], Accepted)


@in_event_loop
async def test_connections_come_from_the_address_that_was_chosen():
    async with hostile(well_behaved) as relay:
        feed = BookFeed(letters(1))

        await carry(trusting(relay, host="127.0.0.1", source_address="127.0.0.9"), feed)

    assert isinstance(feed.outcomes[1], Accepted)
    assert relay.peers[0].writer.get_extra_info("peername")[0] == "127.0.0.9"


@in_event_loop
async def test_a_source_address_that_is_not_ours_is_told_as_such():
    async with hostile(well_behaved) as relay:
        with pytest.raises(RelayFault, match="connect: "):
            await carry(trusting(relay, host="127.0.0.1", source_address="192.0.2.1"), BookFeed(letters(1)))


@pytest.mark.parametrize("tls", [Tls.OPPORTUNISTIC, Tls.VERIFIED])
@pytest.mark.parametrize("injected", [b"250-PIPELINING\r\n250 injected\r\n", b"250 injec"])
@in_event_loop
async def test_plain_text_behind_the_reply_to_starttls_ends_the_session(injected: bytes, tls: Tls):
    """Also where encryption is no must: somebody stands in between."""

    async def script(peer: Peer) -> None:
        await offers_starttls(peer)
        await peer.say(b"220 go ahead\r\n" + injected)
        assert await peer.reader.read() == b"", "a handshake was begun"

    async with hostile(script) as relay:
        with pytest.raises(RelayFault, match="more than it was asked"):
            await carry(trusting(relay, tls=tls), BookFeed(letters(1)))


@in_event_loop
async def test_a_relay_that_stalls_in_the_handshake_is_left():
    async def script(peer: Peer) -> None:
        await offers_starttls(peer)
        await peer.say(b"220 go ahead\r\n")
        await peer.stall()

    async with hostile(script) as relay:
        with pytest.raises(RelayFault, match="no handshake within"):
            await carry(trusting(relay, tls=Tls.VERIFIED, connect_timeout=SHORT), BookFeed(letters(1)))


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
