"""The HTTP door when the API is cut off, busy, away, or not there at all. Both doors, the waiting and the asynchronous one."""

import logging
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from stamina import RetryingCaller
from stamina.instrumentation import RetryDetails, get_on_retry_hooks, set_on_retry_hooks

from mailq.client import Mailing, Message, Recipient
from mailq.client.http import AsyncHttpDoor, HttpDoor
from mailq.client.http.exchanges import UPLOAD
from mailq.client.http.patience import Patience
from mailq.errors import BadInput, Conflict, Misconfigured, Unavailable
from tests.support.blocking import Blocking
from tests.support.hostile_api import CUT, Heard, HostileApi, Reply, problem, reply

KEY = "mq_test_secret"
CHUNK = UPLOAD.num_recipients
HASTY = Patience(tries=4, total_s=20, first_s=0.001, longest_s=0.002)
MESSAGE = Message("ann@x.example", "Hi", "shop@x.example", text="Hello")
MAILING = Mailing("Sale", "Hi {{ name }}", "shop@x.example", text="Hello", key="sale")
TAKEN = reply(202, {"id": "msg_1", "created": True})
Serve = Callable[..., tuple[Any, HostileApi]]


@pytest.fixture(params=[HttpDoor, AsyncHttpDoor], ids=["sync", "async"])
def serve(request: pytest.FixtureRequest) -> Iterator[Serve]:
    """A door to a server that gives these replies, and the server."""
    opened: list[Any] = []

    def start(*replies: Reply, key: str = KEY) -> tuple[Any, HostileApi]:
        api = HostileApi(*replies)

        def make() -> Any:
            return request.param(api.url, key=key, patience=HASTY)

        door = make() if request.param is HttpDoor else Blocking(make)
        opened.extend([door, api])
        return door, api

    yield start
    for each in opened:
        each.close()


def made(num_profiles: int = 0, status: int = 201) -> bytes:
    return reply(status, {"id": "mlg_1", "num_profiles": num_profiles})


def uploaded(heard: Heard) -> bytes:
    number = heard.body.count(b"\n")
    return reply(200, {"num_recipients": number, "num_valid": number, "num_invalid": 0, "errors": [], "num_profiles": number})


@pytest.mark.parametrize(
    "bad",
    [
        CUT,
        b"HTTP/1.1 2",
        b"nonsense\r\n\r\n",
        TAKEN[:-5],
        problem(503, "away"),
        problem(429, "busy", retry_after="0"),
        reply(502, b"<html>Bad Gateway</html>", media_type="text/html"),
        reply(200, b"not gzip", content_encoding="gzip"),
    ],
    ids=["cut", "cut in the status", "no http", "cut in the body", "503", "429", "502 of a proxy", "no gzip"],
)
def test_a_message_is_sent_again_under_the_same_key(serve: Serve, bad: bytes) -> None:
    """Whoever has taken it already knows the key, and takes it once."""
    door, api = serve(bad, bad, TAKEN)

    (accepted,) = door.send([MESSAGE])

    assert accepted.id == "msg_1"
    assert len(api.heard) == 3
    assert len({(heard.key, heard.body) for heard in api.heard}) == 1
    assert api.heard[0].key


def test_two_messages_without_a_key_are_two_messages(serve: Serve) -> None:
    door, api = serve(TAKEN)
    door.send([MESSAGE, MESSAGE])

    assert len({heard.key for heard in api.heard}) == 2


def test_a_producers_own_key_is_the_one_that_is_sent(serve: Serve) -> None:
    door, api = serve(TAKEN)
    door.send([Message("ann@x.example", "Hi", "shop@x.example", text="Hello", key="order-7")])

    assert api.heard[0].key == "order-7"


@pytest.mark.parametrize("status", [400, 401, 404, 409, 422])
def test_a_refusal_is_not_asked_for_twice(serve: Serve, status: int) -> None:
    door, api = serve(problem(status, "no"))

    with pytest.raises((BadInput, Misconfigured, Conflict, Exception), match="no"):
        door.send([MESSAGE])
    assert len(api.heard) == 1


def test_an_api_that_stays_away_is_given_up_with_its_address_and_its_reason(serve: Serve) -> None:
    door, api = serve(problem(503, "the database is away"))

    with pytest.raises(Unavailable, match="the database is away") as told:
        door.progress("sale")
    assert api.url in str(told.value)
    assert len(api.heard) == HASTY.tries


def test_nobody_there_at_all_is_the_same(serve: Serve) -> None:
    door, api = serve(TAKEN)
    api._server.server_close()

    with pytest.raises(Unavailable, match=r"127\.0\.0\.1"):
        door.send([MESSAGE])


def test_a_redirect_is_not_followed_with_the_key(serve: Serve) -> None:
    elsewhere = HostileApi(TAKEN)
    door, _ = serve(reply(307, location=f"{elsewhere.url}/v1/messages"))

    with pytest.raises(Misconfigured, match="redirects"):
        door.send([MESSAGE])
    assert elsewhere.heard == []
    elsewhere.close()


@pytest.mark.parametrize("bad", [CUT, problem(401, "the key is revoked"), problem(503, "away"), reply(200, b"nonsense")])
def test_the_api_key_is_in_no_error_log_or_repr(serve: Serve, bad: bytes, caplog: pytest.LogCaptureFixture) -> None:
    door, api = serve(bad)

    with caplog.at_level(logging.DEBUG), pytest.raises((Misconfigured, Unavailable)) as told:
        door.send([MESSAGE])

    assert api.heard[0].headers["authorization"] == f"Bearer {KEY}"
    assert "secret" not in f"{told.value!r} {told.value} {door!r} {caplog.text}"
    assert told.value.__cause__ is None


def test_an_answer_without_end_is_not_read_to_its_end(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailq.client.http.connection.MOST_BYTES", 1000)
    door, api = serve(reply(200, b"[" + b"1," * 10_000))

    with pytest.raises(Unavailable, match="without end"):
        door.progress("sale")
    assert len(api.heard) == 1


def test_a_mailing_goes_out_in_chunks_with_keys_of_their_own(serve: Serve) -> None:
    door, api = serve(made(), CUT, uploaded, uploaded, CUT, reply(202, {"id": "mlg_1"}))

    submitted = door.submit(MAILING, (f"r{number}@x.example" for number in range(CHUNK + 1)))

    assert (submitted.id, submitted.created, submitted.num_profiles) == ("mlg_1", True, CHUNK + 1)
    assert [(heard.path.partition("/v1")[2], heard.key) for heard in api.heard] == [
        ("/mailings", "sale"),
        ("/mailings/mlg_1/recipients", "sale/1"),
        ("/mailings/mlg_1/recipients", "sale/1"),
        ("/mailings/mlg_1/recipients", "sale/2"),
        ("/mailings/mlg_1/start", None),
        ("/mailings/mlg_1/start", None),
    ]
    assert api.heard[1].body == api.heard[2].body


def test_recipients_are_taken_from_a_generator_as_they_are_uploaded(serve: Serve) -> None:
    """A million of them need no memory: when a chunk goes out, the next one has not been asked for."""
    taken: list[int] = []
    seen: list[int] = []

    def people() -> Iterator[Recipient]:
        for number in range(3 * CHUNK):
            taken.append(number)
            yield Recipient(f"r{number}@x.example", {"name": "Ann"})

    def upload(heard: Heard) -> bytes:
        seen.append(len(taken))
        return uploaded(heard)

    door, _ = serve(made(), upload, upload, upload, reply(202, {"id": "mlg_1"}))
    door.submit(MAILING, people())

    assert seen == [CHUNK, 2 * CHUNK, 3 * CHUNK]


def test_a_mailing_without_recipients_is_not_even_made(serve: Serve) -> None:
    door, api = serve(made())

    with pytest.raises(BadInput) as told:
        door.submit(MAILING, [])
    assert told.value.field == "recipients"
    assert api.heard == []


def test_a_key_whose_mailing_has_more_recipients_is_a_conflict_and_nothing_is_started(serve: Serve) -> None:
    """An earlier submit may have been cut off before its start; what it had uploaded must not be sent by ours."""
    door, api = serve(made(2, status=200), uploaded, reply(200, {"id": "mlg_1", "num_profiles": 2}))

    with pytest.raises(Conflict, match="2 recipients instead of 1"):
        door.submit(MAILING, ["ann@x.example"])
    assert "start" not in "".join(heard.path for heard in api.heard)


def test_a_generator_that_fails_leaves_a_mailing_that_is_never_started(serve: Serve) -> None:
    def people() -> Iterator[str]:
        yield from (f"r{number}@x.example" for number in range(CHUNK))
        raise InterruptedError

    door, api = serve(made(), uploaded)

    with pytest.raises(InterruptedError):
        door.submit(MAILING, people())
    assert [heard.path.rpartition("/")[2] for heard in api.heard] == ["mailings", "recipients"]


def test_pages_are_followed_to_the_last_and_asked_for_again_when_cut_off(serve: Serve) -> None:
    def page(seq: int, cursor: str | None) -> bytes:
        rows = [{"mailing": "mlg_1", "seq": seq, "address": f"r{seq}@x.example", "state": "sent"}]
        return reply(200, {"data": rows, "next_cursor": cursor})

    door, api = serve(page(1, "c2"), CUT, page(2, "c3"), page(3, None))

    assert [each.seq for each in door.deliveries("sale", "sent")] == [1, 2, 3]
    assert "cursor=c2" in api.heard[1].path
    assert api.heard[1].path == api.heard[2].path
    assert "state=sent" in api.heard[3].path


def test_names_in_paths_cannot_leave_them(serve: Serve) -> None:
    door, api = serve(problem(404, "there is no such mailing"))

    for reference in ("../keys", "a/b?c#d"):
        with pytest.raises(Exception, match="no such mailing"):
            door.progress(reference)
    assert [heard.path for heard in api.heard] == ["/v1/mailings/..%2Fkeys", "/v1/mailings/a%2Fb%3Fc%23d"]


@pytest.fixture
def heard_retries() -> Iterator[list[RetryDetails]]:
    """stamina as an app finds it: with hooks of its own, and one of the app's."""
    heard: list[RetryDetails] = []
    set_on_retry_hooks(None)
    set_on_retry_hooks([*get_on_retry_hooks(), heard.append])
    yield heard
    set_on_retry_hooks(None)


def test_tries_are_told_to_the_apps_own_hooks_and_not_to_its_output(
    serve: Serve, heard_retries: list[RetryDetails], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    door, _ = serve(CUT, CUT, TAKEN)

    with caplog.at_level(logging.DEBUG):
        door.send([MESSAGE])

    assert len(heard_retries) == 2
    assert "stamina" not in caplog.text + "".join(capfd.readouterr())


def test_what_an_app_tries_again_itself_is_told_as_ever(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """The hooks belong to the whole process."""
    set_on_retry_hooks(None)
    serve(TAKEN)
    failures = iter([OSError("away")])

    def fails_once() -> None:
        for failure in failures:
            raise failure

    RetryingCaller(attempts=2, wait_initial=0, wait_jitter=0, wait_max=0)(OSError, fails_once)

    assert "stamina.retry_scheduled" in caplog.text


@pytest.mark.parametrize("door", [HttpDoor, AsyncHttpDoor])
def test_a_server_that_speaks_no_tls_is_asked_once(door: Any) -> None:
    """The next try would find it as it is."""
    with plain_server() as (port, num_asked):

        def make() -> Any:
            return door(f"https://localhost:{port}", key=KEY, patience=HASTY)

        opened = make() if door is HttpDoor else Blocking(make)
        with closing(opened), pytest.raises(Misconfigured, match="WRONG_VERSION_NUMBER"):
            opened.send([MESSAGE])
        assert num_asked() == 1


@contextmanager
def plain_server() -> Iterator[tuple[int, Callable[[], int]]]:
    """Answers whatever it hears as HTTP does."""
    asked: list[bytes] = []

    class Plain(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            asked.append(self.request.recv(65536))
            self.request.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Plain) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server.server_address[1], lambda: len(asked)
        server.shutdown()
        thread.join()
