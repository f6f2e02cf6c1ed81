"""Certificates that prove nothing: expired, another's, nobody's. Where proof is asked for, not one letter leaves."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mailq.core.outcome import Accepted
from mailq.transports.smtp import Tls
from tests.support.asynchronous import in_event_loop
from tests.support.hostile import Peer, certified_by, upgrading, well_behaved
from tests.support.trials import Ending, trial

CERTIFICATES = Path(__file__).with_name("certificates")
WORTHLESS = {
    "expired": "certificate has expired",
    "not-yet-valid": "certificate is not yet valid",
    "other-name": "Hostname mismatch, certificate is not valid for 'localhost'.",
    "stranger": "self-signed certificate",
}
"""Why each of them proves nothing; all but the stranger's are vouched for by `ca_file`."""


def shown(name: str) -> ssl.SSLContext:
    return certified_by(CERTIFICATES / f"{name}.pem")


def trusted(name: str) -> str:
    return str(CERTIFICATES / ("good.pem" if name == "stranger" else f"{name}.pem"))


async def over_starttls(name: str, tls: Tls) -> Ending:
    return await trial(upgrading(shown(name)), host="localhost", tls=tls, ca_file=trusted(name))


async def over_implicit_tls(name: str, tls: Tls) -> Ending:
    return await trial(well_behaved, certificate=shown(name), host="localhost", tls=tls, implicit_tls=True, ca_file=trusted(name))


Way = Callable[[str, Tls], Awaitable[Ending]]
either_way = pytest.mark.parametrize("way", [over_starttls, over_implicit_tls])


@pytest.mark.parametrize("name", ["good", *WORTHLESS])
@pytest.mark.parametrize("tls", [Tls.OPPORTUNISTIC, Tls.REQUIRED])
@in_event_loop
async def test_where_no_proof_is_asked_for_any_certificate_will_do(name: str, tls: Tls):
    ending = await over_starttls(name, tls)

    assert ending.kinds == {1: Accepted}
    assert ending.relay.peers[0].encrypted, "it is encrypted all the same"
    assert len(ending.relay.peers) == 1


@either_way
@in_event_loop
async def test_a_relay_that_proves_who_it_is_gets_its_mail(way: Way):
    ending = await way("good", Tls.VERIFIED)

    assert ending.kinds == {1: Accepted}
    assert ending.relay.peers[0].encrypted


@pytest.mark.parametrize(("name", "reason"), WORTHLESS.items())
@either_way
@in_event_loop
async def test_a_relay_that_does_not_prove_who_it_is_gets_none(way: Way, name: str, reason: str):
    ending = await way(name, Tls.VERIFIED)

    assert str(ending.fault).startswith(
        f"relay localhost:{ending.relay.port}: tls: the relay's certificate is not trusted: {reason}"
    )
    assert ending.given_back == [1]
    assert b"MAIL" not in ending.relay.commands
    assert ending.came_at_once


@pytest.mark.parametrize("tls", [Tls.OFF, Tls.OPPORTUNISTIC])
@in_event_loop
async def test_smtps_asks_for_proof_unless_told_otherwise(tls: Tls):
    lax, proven, let_off = await asyncio.gather(
        over_implicit_tls("other-name", tls), over_implicit_tls("good", tls), over_implicit_tls("other-name", Tls.REQUIRED)
    )

    assert "certificate is not trusted" in str(lax.fault)
    assert not lax.relay.commands
    assert proven.kinds == let_off.kinds == {1: Accepted}


@in_event_loop
async def test_the_password_is_not_given_to_a_relay_that_does_not_prove_who_it_is():
    """Asked for by name: `tls=verified` stands before AUTH."""

    async def script(peer: Peer) -> None:
        await upgrading(shown("other-name"), b"250-x\r\n250 AUTH PLAIN LOGIN\r\n")(peer)

    ending = await trial(
        script, host="localhost", tls=Tls.VERIFIED, ca_file=trusted("other-name"), username="me", password="s3cret"
    )

    assert "tls:" in str(ending.fault)
    assert b"AUTH" not in ending.relay.commands
