"""How a session says who it is: by which mechanism, over what, and what is said of it afterwards."""

import base64
import hmac
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from mailq.core.outcome import Accepted
from mailq.engine.ports import RelayFault
from mailq.transports.smtp import Mechanism, SmtpOptions, SmtpWire, Tls
from tests.support.asynchronous import in_event_loop
from tests.support.feeds import BookFeed, carry, letters
from tests.support.hostile import HostileRelay, Peer, Script, hostile

SECRET = "s3crét"
TOKEN = "ya29." + "x" * 600
CHALLENGE = b"<1896.697170952@relay.example>"

Check = Callable[[Peer], Awaitable[bool]]


def wire_to(relay: HostileRelay, **options: object) -> SmtpWire:
    facts = {"sessions": 1, "username": "me", "password": SECRET, "plaintext_auth": True, "quit_timeout": timedelta(seconds=1)}
    return SmtpWire(SmtpOptions("127.0.0.1", relay.port, **(facts | options)))  # type: ignore[arg-type]


def relay_that(checks: Check, offers: str) -> Script:
    """A relay that offers these mechanisms and lets in whom `checks` believes."""

    async def script(peer: Peer) -> None:
        await peer.say(b"220 auth.example\r\n")
        await peer.hear("EHLO")
        await peer.say(f"250-auth.example\r\n250 AUTH {offers}\r\n".encode())
        if await checks(peer):
            await peer.say(b"235 2.7.0 welcome\r\n")
            await peer.accept_rest()
        else:
            await peer.say(b"535 5.7.8 no\r\n")
            await peer.hear("")

    return script


async def plain(peer: Peer) -> bool:
    line = await peer.hear("AUTH PLAIN ")
    return base64.b64decode(line.split()[2]) == f"\0me\0{SECRET}".encode()


async def login(peer: Peer) -> bool:
    assert await peer.hear("AUTH LOGIN") == b"AUTH LOGIN\r\n"
    said = []
    for prompt in (b"334 VXNlcm5hbWU6\r\n", b"334 UGFzc3dvcmQ6\r\n"):
        await peer.say(prompt)
        said.append(base64.b64decode(await peer.hear("")))
    return said == [b"me", SECRET.encode()]


async def cram_md5(peer: Peer) -> bool:
    assert await peer.hear("AUTH CRAM-MD5") == b"AUTH CRAM-MD5\r\n"
    await peer.say(b"334 " + base64.b64encode(CHALLENGE) + b"\r\n")
    digest = hmac.new(SECRET.encode(), CHALLENGE, "md5").hexdigest()
    return base64.b64decode(await peer.hear("")) == f"me {digest}".encode()


async def xoauth2(peer: Peer) -> bool:
    """A token is too long for a command line, so that it is asked for."""
    assert await peer.hear("AUTH XOAUTH2") == b"AUTH XOAUTH2\r\n"
    await peer.say(b"334 \r\n")
    return base64.b64decode(await peer.hear("")) == f"user=me\x01auth=Bearer {TOKEN}\x01\x01".encode()


@pytest.mark.parametrize(
    ("checks", "offers", "options"),
    [
        (plain, "PLAIN", {}),
        (login, "LOGIN", {}),
        (cram_md5, "CRAM-MD5", {}),
        (cram_md5, "LOGIN PLAIN XOAUTH2 CRAM-MD5", {}),
        (plain, "LOGIN XOAUTH2 PLAIN GSSAPI", {}),
        (login, "PLAIN LOGIN CRAM-MD5", {"auth": Mechanism.LOGIN}),
        (xoauth2, "PLAIN XOAUTH2", {"auth": Mechanism.XOAUTH2, "password": TOKEN}),
    ],
)
@in_event_loop
async def test_the_best_mechanism_is_used_or_the_one_that_was_chosen(checks: Check, offers: str, options: dict[str, object]):
    async with hostile(relay_that(checks, offers)) as relay:
        feed = BookFeed(letters(1))

        await carry(wire_to(relay, **options), feed)

    assert isinstance(feed.outcomes[1], Accepted)


@pytest.mark.parametrize(
    ("offers", "auth", "missing"),
    [
        ("XOAUTH2 GSSAPI", None, "CRAM-MD5 or PLAIN or LOGIN"),
        ("PLAIN LOGIN", Mechanism.CRAM_MD5, "CRAM-MD5"),
    ],
)
@in_event_loop
async def test_where_no_mechanism_fits_nothing_is_said(offers: str, auth: Mechanism | None, missing: str):
    async def hears_nothing(peer: Peer) -> bool:
        return await peer.reader.read() != b""

    async with hostile(relay_that(hears_nothing, offers)) as relay:
        with pytest.raises(RelayFault, match=f"auth: the relay does not offer AUTH {missing}$"):
            await carry(wire_to(relay, auth=auth), BookFeed(letters(1)))


@pytest.mark.parametrize("tls", [Tls.OFF, Tls.OPPORTUNISTIC])
@in_event_loop
async def test_a_password_is_not_given_in_the_clear(tls: Tls):
    async def hears_nothing(peer: Peer) -> bool:
        return await peer.reader.read() != b""

    async with hostile(relay_that(hears_nothing, "PLAIN")) as relay:
        with pytest.raises(RelayFault, match="not sent without TLS"):
            await carry(wire_to(relay, plaintext_auth=False, tls=tls), BookFeed(letters(1)))


@in_event_loop
async def test_a_challenge_that_is_none_is_not_answered():
    async def challenges(peer: Peer) -> bool:
        await peer.hear("AUTH CRAM-MD5")
        await peer.say(b"334 ***\r\n")
        return await peer.reader.read() != b""

    async with hostile(relay_that(challenges, "CRAM-MD5")) as relay:
        with pytest.raises(RelayFault, match="challenge is not base64"):
            await carry(wire_to(relay), BookFeed(letters(1)))


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
@in_event_loop
async def test_a_refused_password_is_the_relays_fault_and_stays_secret(mechanism: str):
    """The relay repeats all that it was told; our books repeat nothing of it, and no letter pays."""
    heard = []

    async def refuses(peer: Peer) -> bool:
        heard.append(await peer.hear("AUTH"))
        if mechanism != "PLAIN":
            for _ in range(2 if mechanism == "LOGIN" else 1):
                await peer.say(b"334 PHg+\r\n")
                heard.append(await peer.hear(""))
        await peer.say(b"535 5.7.8 what do you mean by " + b" ".join(heard).replace(b"\r\n", b"") + b"\r\n")
        return await peer.reader.read() != b""

    async with hostile(relay_that(refuses, mechanism)) as relay:
        feed = BookFeed(letters(1))
        with pytest.raises(RelayFault, match="auth: 535 the relay does not accept user 'me'") as caught:
            await carry(wire_to(relay), feed)

    assert feed.given_back == [1]
    assert not any(line.split()[-1].decode() in str(caught.value) for line in heard if line.strip() != b"AUTH LOGIN")


@in_event_loop
async def test_a_refused_token_is_explained_to_and_then_refused():
    """RFC 4954 section 4: the explanation comes as a challenge; the refusal after the answer to it."""

    async def refuses(peer: Peer) -> bool:
        await peer.hear("AUTH XOAUTH2 ")
        await peer.say(b"334 " + base64.b64encode(b'{"status":"401"}') + b"\r\n")
        assert await peer.hear("") == b"\r\n"
        return False

    async with hostile(relay_that(refuses, "XOAUTH2")) as relay:
        with pytest.raises(RelayFault, match="auth: 535"):
            await carry(wire_to(relay, auth=Mechanism.XOAUTH2, password="short"), BookFeed(letters(1)))
