"""Posting a webhook to receivers of all sorts: what each attempt comes to."""

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from mailq.clock import Clock
from mailq.core.networks import networks
from mailq.core.notification import Answer
from mailq.core.webhook_secret import of_key
from mailq.transports.webhooks import Poster
from tests.support.receivers import TAKEN, Caller, Received, Receiver, answering, receiving, status

HERE = networks("127.0.0.0/8")
SECRET, OLD_SECRET = of_key(b"k" * 32), of_key(b"o" * 32)
PAYLOAD = json.dumps({"type": "call.finished", "data": {"name": "Zoë"}}, ensure_ascii=False)
LONG = timedelta(seconds=20)
SHORT = timedelta(milliseconds=300)


def post(*urls: str, timeout: timedelta = LONG, **options: Any) -> list[Answer]:
    """Post to each, one after the other, with one poster."""

    async def all_of_them() -> list[Answer]:
        poster = Poster(**{"timeout": timeout, "allowed": HERE, "agent": "mailq/1.2"} | options)
        try:
            return [
                await poster.post(url, webhook_id=f"ntf_{number}", payload=PAYLOAD, secrets=[SECRET, OLD_SECRET])
                for number, url in enumerate(urls, 1)
            ]
        finally:
            await poster.close()

    return asyncio.run(all_of_them())


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """One that takes everything."""
    with receiving() as taking:
        yield taking


def test_a_webhook_arrives_as_it_was_made_and_can_be_verified(receiver: Receiver) -> None:
    assert post(receiver.url) == [Answer(204, "204 No Content")]

    [webhook] = receiver.received
    assert webhook.body == PAYLOAD.encode()
    assert webhook.target == "/answers?from=mailq"
    for secret in (SECRET, OLD_SECRET):
        assert Webhook(secret).verify(webhook.body, webhook.headers)
    named = {name: webhook.headers[name] for name in ("host", "user-agent", "content-type", "webhook-id")}
    assert named == {
        "host": f"127.0.0.1:{receiver.port}",
        "user-agent": "mailq/1.2",
        "content-type": "application/json",
        "webhook-id": "ntf_1",
    }


def test_an_attempt_is_signed_when_it_is_made(receiver: Receiver) -> None:
    then = datetime(2026, 11, 22, tzinfo=UTC)

    post(receiver.url, clock=Clock(now=lambda: then))

    assert receiver.received[0].headers["webhook-timestamp"] == str(int(then.timestamp()))


def test_a_connection_is_used_again(receiver: Receiver) -> None:
    post(receiver.url, receiver.url, receiver.url)

    assert [each.connection for each in receiver.received] == [1, 1, 1]


@pytest.mark.parametrize("code", [200, 202, 400, 404, 410, 500, 599])
def test_the_status_is_the_answer(code: int) -> None:
    with receiving(status(code)) as receiver:
        [answer] = post(receiver.url)

    assert answer.status == code
    assert answer.words.startswith(str(code))


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        ("120", timedelta(minutes=2)),
        ("99999999999999999999", timedelta(seconds=999_999_999)),
        ("Sun, 22 Nov 2026 08:01:00 GMT", timedelta(minutes=1)),
        ("Sun, 22 Nov 2026 07:00:00 GMT", timedelta(0)),
        ("Sun, 22 Nov 2026 08:01:00 -0000", timedelta(minutes=1)),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_how_long_to_wait_is_read_in_seconds_or_as_a_date(said: str, wait: timedelta | None) -> None:
    with receiving(status(503, f"Retry-After: {said}")) as receiver:
        [answer] = post(receiver.url, clock=Clock(now=lambda: datetime(2026, 11, 22, 8, tzinfo=UTC)))

    assert answer.retry_after == wait


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_failed_attempt_and_leads_nowhere(code: int, receiver: Receiver) -> None:
    with receiving(status(code, f"Location: {receiver.url}")) as redirecting:
        [answer] = post(redirecting.url)

    assert answer.status == code
    assert "not followed" in answer.words
    assert receiver.connections == 0


def _no_answer(caller: Caller, _: Received) -> None:
    caller.hold()


def _a_dripping_head(caller: Caller, _: Received) -> None:
    caller.say(b"HTTP/1.1 200 OK\r\n")
    caller.drip(b"X-More: and more\r\n")


def _a_dripping_status(caller: Caller, _: Received) -> None:
    caller.drip(b"HTTP/1.1 102 Processing\r\n\r\n")


@pytest.mark.parametrize("script", [_no_answer, _a_dripping_head, _a_dripping_status])
def test_a_receiver_that_does_not_come_to_an_answer_has_given_none(script: Any) -> None:
    with receiving(script) as receiver:
        [answer] = post(receiver.url, timeout=SHORT)

    assert answer == Answer(None, "no answer within 0.3 s")
    assert answer.is_silence


def _a_dripping_body(caller: Caller, _: Received) -> None:
    caller.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    caller.drip(b"x")


def test_a_receiver_that_drips_its_body_has_taken_it_and_is_not_listened_to_for_ever() -> None:
    with receiving(_a_dripping_body) as receiver:
        assert post(receiver.url, timeout=SHORT) == [Answer(200, "200 OK")]


@pytest.mark.parametrize("head", [b"Content-Length: 10000000", b"Transfer-Encoding: chunked"])
def test_a_long_answer_is_cut(head: bytes) -> None:
    said_bytes = []

    def ten_megabytes(caller: Caller, _: Received) -> None:
        caller.say(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n")
        piece = b"x" * 100_000
        chunk = piece if b"Length" in head else b"186a0\r\n" + piece + b"\r\n"
        said_bytes.append(sum(len(piece) for _ in range(100) if caller.say(chunk)))
        caller.receiver.over.set()

    with receiving(ten_megabytes) as receiver:
        assert post(receiver.url) == [Answer(200, "200 OK")]
        assert receiver.over.wait(10)

    # What the two systems' buffers have taken is not read.
    assert said_bytes[0] < 10_000_000


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", "no HTTP"),
        (b"220 smtp.example ESMTP\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, "no HTTP"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "no HTTP"),
        (b"\x16\x03\x01\x02\x00\x01\x00", "no HTTP"),
    ],
)
def test_what_is_no_answer_of_http_is_told(said: bytes, words: str) -> None:
    def speak_and_go(caller: Caller, _: Received) -> None:
        caller.say(said)
        caller.receiver.close()

    with receiving(speak_and_go) as receiver:
        [answer] = post(receiver.url)

    assert answer.status is None
    assert answer.words.startswith(words)
    assert answer.words.isprintable()


def test_where_nobody_listens_there_is_no_connection() -> None:
    with receiving() as receiver:
        url = receiver.url
    [answer] = post(url)

    assert answer.status is None
    assert answer.words.startswith("no connection")
    assert not answer.refused


def test_no_cookie_is_kept(receiver: Receiver) -> None:
    with receiving(answering(status(200, "Set-Cookie: a=b"), TAKEN)) as setting:
        post(setting.url, setting.url)

    assert len(setting.received) == 2
    assert not any("cookie" in each.headers for each in setting.received)


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"])
def test_proxies_of_the_environment_are_passed_by(name: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as proxy:
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        post(receiver.url)

    assert (len(receiver.received), proxy.connections) == (1, 0)


def test_a_look_up_that_takes_long_is_broken_off_and_stops_nobody(receiver: Receiver) -> None:
    """`getaddrinfo` cannot be interrupted, and the threads of asyncio are few."""
    answered = threading.Event()

    def stuck(host: str, _: int) -> list[str]:
        answered.wait(30)
        return ["127.0.0.1"]

    try:
        names = [f"http://host{number}.example/" for number in range(3)]
        assert post(*names, timeout=SHORT, resolve=stuck) == [Answer(None, "no answer within 0.3 s")] * 3
    finally:
        answered.set()
