"""Where webhooks go: to the address that was judged, or nowhere."""

import socket
import ssl
from pathlib import Path

import pytest

from mailq.core.networks import networks
from tests.integration.transports.webhooks.test_posting import post
from tests.support.receivers import Receiver, receiving

CERTIFICATE = Path(__file__).parents[1] / "relay.pem"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]"]
)
def test_this_host_is_not_connected_to_however_it_is_named(host: str) -> None:
    with receiving() as receiver:
        [answer] = post(receiver.named(host), allowed=())

    assert answer.refused
    assert not answer.words.startswith("127.0.0.1 stands for")
    assert "no public address" in answer.words
    assert receiver.connections == 0


@pytest.mark.parametrize(
    "found", [["169.254.169.254"], ["1.1.1.1", "10.0.0.7"], ["fe80::1%eth0"], ["64:ff9b::a9fe:a9fe"], ["0.0.0.0"]]
)
def test_a_name_that_stands_for_a_private_address_is_not_connected_to(found: list[str]) -> None:
    """Not even if another one of its addresses is public."""
    [answer] = post("http://metadata.example/", allowed=(), resolve=lambda _host, _port: found)

    assert answer.refused
    assert f"metadata.example stands for {found[-1]}" in answer.words
    assert "in no network of MAILQ_CALLS__WEBHOOK_NETWORKS" in answer.words


def test_what_was_judged_is_connected_to_and_the_name_is_asked_for_once() -> None:
    """Whoever answers for a name may say something else a moment later (DNS rebinding)."""
    asked = []

    def rebinding(host: str, _: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.7"]

    with receiving() as receiver:
        [answer] = post(receiver.named("hooks.example"), resolve=rebinding)

    assert answer.status == 204
    assert asked == ["hooks.example"]
    assert receiver.received[0].headers["host"] == f"hooks.example:{receiver.port}"


def test_the_next_address_of_a_name_is_tried_where_nobody_listens_on_the_first() -> None:
    with receiving() as receiver:
        [answer] = post(receiver.named("hooks.example"), resolve=lambda _host, _port: ["127.0.0.2", "127.0.0.1"])

    assert answer.status == 204


@pytest.mark.parametrize("fault", [socket.gaierror(socket.EAI_NONAME, "unknown"), UnicodeError("label too long")])
def test_a_name_that_is_not_found_may_be_found_later(fault: Exception) -> None:
    def unknown(_host: str, _port: int) -> list[str]:
        raise fault

    [answer] = post("http://nowhere.example/", resolve=unknown)

    assert (answer.status, answer.words, answer.refused) == (None, "the name nowhere.example is not found", False)


def test_a_name_without_an_address_is_told() -> None:
    [answer] = post("http://nowhere.example/", resolve=lambda _host, _port: [])

    assert answer.words == "the name nowhere.example has no address"


@pytest.fixture
def speaking_tls() -> ssl.SSLContext:
    """Of `localhost`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def _post_by_tls(receiver: Receiver, name: str, *, trust: ssl.SSLContext | None) -> str:
    [answer] = post(receiver.named(name, scheme="https"), trust=trust, resolve=lambda _host, _port: ["127.0.0.1"])
    return answer.words


def test_tls_is_spoken_with_the_name_and_not_with_the_address(speaking_tls: ssl.SSLContext) -> None:
    asked: list[str | None] = []
    speaking_tls.sni_callback = lambda _socket, name, _context: asked.append(name)
    trust = ssl.create_default_context(cafile=CERTIFICATE)
    with receiving(tls=speaking_tls) as receiver:
        assert _post_by_tls(receiver, "localhost", trust=trust) == "204 No Content"

    assert asked == ["localhost"]


@pytest.mark.parametrize(
    ("name", "trusts"), [("hooks.example", True), ("localhost", False)], ids=["of another", "of nobody we know"]
)
def test_a_certificate_that_is_not_its_own_is_refused(name: str, trusts: bool, speaking_tls: ssl.SSLContext) -> None:
    trust = ssl.create_default_context(cafile=CERTIFICATE) if trusts else None
    with receiving(tls=speaking_tls) as receiver:
        words = _post_by_tls(receiver, name, trust=trust)

    assert words.startswith("no connection")
    assert "certificate" in words.lower()
    assert receiver.received == []


def test_a_network_that_is_allowed_is_no_other_one() -> None:
    with receiving() as receiver:
        [answer] = post(receiver.url, allowed=networks("127.0.0.2/32"))

    assert answer.refused
    assert receiver.connections == 0
