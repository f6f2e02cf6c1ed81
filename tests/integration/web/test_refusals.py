"""What is refused before anything is done, and how: as a problem that names the fault, on a connection that stays fit for use."""

import gzip
import json
import re
import socket
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select

from mailq.store.database import Database
from mailq.store.tables import delivery, inbox, mailing
from mailq.web.api import bodies, protocol
from mailq.web.api.bodies import parse
from tests.integration.web.conftest import LETTER, WORDS
from tests.support.api import ApiThread, Caller, problem, where
from tests.support.waiting import eventually

NDJSON = {"Content-Type": "application/x-ndjson"}
JSON = {"Content-Type": "application/json"}


def heard(connection: socket.socket) -> bytes:
    """All that is said until the other side closes; what reaches it too late makes a reset of that."""
    parts = []
    with suppress(ConnectionResetError):
        while part := connection.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


def answer(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """One answer; the connection stays open."""
    buffer = b""
    while b"\r\n\r\n" not in buffer:
        part = connection.recv(1 << 16)
        assert part, buffer
        buffer += part
    head, _, body = buffer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers["content-length"]):
        body += connection.recv(1 << 16)
    return int(first.split()[1]), headers, body


def request(caller: Caller, path: str, headers: str = "", body: bytes = b"", *, verb: str = "POST") -> bytes:
    """A request as bytes."""
    length = "" if "ransfer-" in headers or "ontent-Length" in headers else f"Content-Length: {len(body)}\r\n"
    return f"{verb} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {caller.key}\r\n{length}{headers}\r\n".encode() + body


@pytest.fixture
def made(caller: Caller) -> str:
    """The address of a mailing without recipients."""
    return f"/v1/mailings/{caller.post('/v1/mailings', json=LETTER).json()['id']}"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"to": "\xff\xfe"}', 400),
        (b'{"to": "\\ud800"}', 400),
        (b"[" * 100_000, 400),
        (b'{"variables": ' + b'{"a":' * 5000 + b"1" + b"}" * 5001, 400),
        (b"null", 422),
        (b"[]", 422),
        (b"\xef\xbb\xbf{}", 400),
        (json.dumps(WORDS | {"variables": {"n": 1}}).replace('"n": 1', '"n": 1e999').encode(), 422),
        (json.dumps(WORDS | {"variables": {"n": 1}}).replace('"n": 1', '"n": NaN').encode(), 422),
        (json.dumps(WORDS | {"variables": {"n": 1}}).replace('"n": 1', '"n": ' + "9" * 6000).encode(), 400),
    ],
    ids=["empty", "cut off", "utf-8", "surrogate", "nested", "nested objects", "null", "list", "bom", "infinite", "nan", "huge"],
)
def test_a_body_that_is_no_message_is_refused(caller: Caller, body: bytes, status: int) -> None:
    """Whatever the parser thinks of it, it is the client's fault."""
    problem(caller.post("/v1/messages", content=body, headers=JSON), status)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/messages", {}),
        ("/v1/messages", {"Content-Type": "text/plain"}),
        ("/v1/messages", {"Content-Type": "application/json; charset=latin-1"}),
        ("/v1/messages", JSON | {"Content-Encoding": "gzip"}),
        ("/recipients", JSON),
        ("/recipients", NDJSON | {"Content-Encoding": "br"}),
        ("/recipients", {"Content-Type": "text/csv; charset=utf-16"}),
    ],
)
def test_a_body_of_another_kind_is_refused(caller: Caller, made: str, path: str, headers: dict[str, str]) -> None:
    """415, and what would have been taken."""
    response = caller.post(path if path.startswith("/v1") else made + path, content=b"{}", headers=headers)

    problem(response, 415)
    assert "accept-post" in response.headers or "accept-encoding" in response.headers


def test_a_recipients_upload_may_be_packed(caller: Caller, made: str) -> None:
    """In one member or several."""
    lines = [gzip.compress(f'{{"address": "r{n}@x.example", "name": "R"}}\n'.encode()) for n in range(3)]

    answered = caller.post(f"{made}/recipients", content=b"".join(lines), headers=NDJSON | {"Content-Encoding": "gzip"})

    assert answered.json()["num_valid"] == 3


class TestLimits:
    """With small ones."""

    @pytest.fixture
    def chosen(self) -> dict[str, Any]:
        """Limits that a test can reach."""
        return {"max_body": 10_000, "max_upload": 200_000, "body_timeout": "200ms"}

    def test_a_body_that_is_announced_as_too_large_is_not_taken(self, caller: Caller, api: ApiThread) -> None:
        """100 MB: refused on the spot, and the client hears it although it is still sending."""
        with api.connect() as connection:
            connection.sendall(request(caller, "/v1/messages", "Content-Length: 100000000\r\n"))
            status, headers, body = answer(connection)
        assert (status, headers["connection"], json.loads(body)["title"]) == (413, "close", "Content Too Large")

    def test_a_client_that_sends_too_much_hears_why(self, caller: Caller) -> None:
        """A client library sends everything before it listens."""
        problem(caller.post("/v1/messages", content=b" " * 5_000_000, headers=JSON), 413)

    def test_what_comes_is_counted_and_not_what_was_announced(self, caller: Caller, made: str) -> None:
        """Chunks announce nothing."""
        problem(caller.post("/v1/messages", content=iter([b" " * 1000] * 100), headers=JSON), 413)
        problem(caller.post(f"{made}/recipients", content=iter([b" " * 10_000] * 100), headers=NDJSON), 413)

    def test_a_small_body_that_unpacks_to_too_much_is_refused(self, caller: Caller, made: str) -> None:
        """Before it fills the disk; and what is packed without saying so is not unpacked."""
        bomb = gzip.compress(b" " * 50_000_000)

        problem(caller.post(f"{made}/recipients", content=bomb, headers=NDJSON | {"Content-Encoding": "gzip"}), 413)
        hidden = problem(caller.post(f"{made}/recipients", content=bomb, headers=NDJSON), 422)
        assert where(hidden) == ["Content-Encoding"]

    def test_a_slow_client_is_told_so(self, caller: Caller, api: ApiThread, database: Database) -> None:
        """408 when the time for the body is over, and nothing is done."""
        with api.connect() as connection:
            connection.sendall(
                request(caller, "/v1/messages", "Content-Length: 100\r\nContent-Type: application/json\r\n", b'{"to": ')
            )
            status, headers, _ = answer(connection)
        assert (status, headers["connection"]) == (408, "close")
        assert count(database, inbox) == 0

    def test_large_bodies_have_more_time(self, caller: Caller, api: ApiThread, made: str) -> None:
        """What has come counts: after 64 KB there are four seconds more."""
        lines = [f'{{"address": "r{n}@x.example", "name": "{"R" * 100}"}}\n'.encode() for n in range(600)]
        half, rest = b"".join(lines[:500]), b"".join(lines[500:])
        with api.connect() as connection:
            kind = "Content-Type: application/x-ndjson\r\n"
            connection.sendall(request(caller, f"{made}/recipients", f"{kind}Content-Length: {len(half) + len(rest)}\r\n", half))
            connection.settimeout(0.5)  # longer than a body has to begin with
            with pytest.raises(TimeoutError):
                connection.recv(1)
            connection.settimeout(20)
            connection.sendall(rest)
            status, _, body = answer(connection)
        assert (status, json.loads(body)["num_valid"]) == (200, 600)


def count(database: Database, table: Any) -> int:
    """Rows of a table."""
    with database.begin() as tx:
        return int(tx.execute(select(func.count()).select_from(table)).scalar_one())


@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_leaves_in_the_middle_leaves_nothing(
    caller: Caller, api: ApiThread, database: Database, made: str, chunked: bool
) -> None:
    """No recipient of half an upload; the next one is served."""
    lines = b'{"address": "ann@x.example", "name": "Ann"}\n' * 1000
    with api.connect() as connection:
        if chunked:
            head = "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n"
            connection.sendall(request(caller, f"{made}/recipients", head, b"%x\r\n%s\r\n" % (len(lines), lines)))
        else:
            head = f"Content-Type: application/x-ndjson\r\nContent-Length: {len(lines) * 2}\r\n"
            connection.sendall(request(caller, f"{made}/recipients", head, lines))
    eventually(lambda: not api.server.server_state.tasks)

    assert count(database, delivery) == 0
    assert caller.post(f"{made}/recipients", content=lines[:44], headers=NDJSON).status_code == 200


def test_characters_may_come_in_pieces(caller: Caller, api: ApiThread, made: str) -> None:
    """UTF-8 that is cut between two packets is whole again."""
    line = '{"address": "ann@x.example", "name": "Zoë 🙂"}\n'.encode()
    with api.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n"
        connection.sendall(request(caller, f"{made}/recipients", head))
        for octet in line:
            connection.sendall(b"1\r\n%c\r\n" % octet)
        connection.sendall(b"0\r\n\r\n")
        status, _, body = answer(connection)
    assert (status, json.loads(body)["num_valid"]) == (200, 1)


def test_recipients_in_broken_utf_8_are_refused_whole(caller: Caller, database: Database, made: str) -> None:
    """With the place of the first byte that is none."""
    lines = b'{"address": "ann@x.example", "name": "Ann"}\n{"address": "zoe@x.example", "name": "Zo\xeb"}\n'

    refused = problem(caller.post(f"{made}/recipients", content=lines, headers=NDJSON), 422)

    assert "line 2" in refused["detail"]
    assert count(database, delivery) == 0


def test_a_connection_is_fit_for_use_after_errors(caller: Caller, api: ApiThread) -> None:
    """Requests that were sent at once are answered in their order, each for itself."""
    good = json.dumps(WORDS).encode()
    kind = "Content-Type: application/json\r\n"
    with api.connect() as connection:
        connection.sendall(
            request(caller, "/v1/messages", kind, b"{nonsense}")
            + request(caller, "/v1/nothing", kind, good)
            + request(caller, "/v1/messages", kind, good)
            + request(caller, "/healthz", "", verb="PUT")
            + request(caller, "/healthz", "Connection: close\r\n", verb="GET")
        )
        said = heard(connection)
    assert re.findall(rb"HTTP/1.1 (\d+)", said) == [b"400", b"404", b"202", b"405", b"200"]


@pytest.mark.parametrize(
    "said",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
    ],
)
def test_what_is_no_http_is_a_problem_too(api: ApiThread, said: bytes) -> None:
    """And ends the connection."""
    with api.connect() as connection:
        connection.sendall(said)
        status, headers, body = answer(connection)
        assert heard(connection) == b""
    assert (status, headers["content-type"], json.loads(body)["status"]) == (400, "application/problem+json", 400)


def test_a_connection_that_asks_nothing_is_closed(monkeypatch: pytest.MonkeyPatch, api: ApiThread) -> None:
    """Half a request line is nothing."""
    monkeypatch.setattr(protocol, "HEADERS_WITHIN_S", 0.1)
    for said in (b"", b"GET /healthz HTTP/1.1\r\nX-Slow: "):
        with api.connect() as connection:
            connection.sendall(said)
            assert heard(connection) == b""


@pytest.mark.parametrize(
    ("verb", "path", "status"), [("get", "/", 404), ("get", "/v1/mailings/", 404), ("delete", "/v1/messages", 405)]
)
def test_what_is_not_there_is_a_problem(http: httpx2.Client, verb: str, path: str, status: int) -> None:
    """The framework's own answers too."""
    response = getattr(http, verb)(path)

    problem(response, status)
    assert response.headers.get("allow") == ("POST" if status == 405 else None)


def test_all_methods_of_an_address_are_named(http: httpx2.Client) -> None:
    """They stand in several routes."""
    assert http.put("/v1/suppressions").headers["allow"] == "GET, POST"
    assert http.put("/v1/openapi.json").headers["allow"] == "GET"


def test_headers_without_end_are_refused(api: ApiThread) -> None:
    """By nobody's key: they are not read to their end to be refused. A client that is still sending hears it nevertheless."""
    with api.connect() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * protocol.MAX_HEADERS)
        for _ in range(100):
            connection.sendall(b"a" * protocol.MAX_HEADERS)
        status, headers, body = answer(connection)
        assert heard(connection) == b""
    assert (status, headers["connection"], json.loads(body)["status"]) == (431, "close", 431)


def test_a_client_that_does_not_stop_after_a_refusal_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, api: ApiThread
) -> None:
    """What it says is thrown away for a while, and a request among it is none."""
    monkeypatch.setattr(protocol, "LINGERS_FOR_S", 0.2)

    def go_on(connection: socket.socket) -> None:
        while True:
            connection.sendall(b"\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")

    with api.connect() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * protocol.MAX_HEADERS)
        assert answer(connection)[0] == 431
        with pytest.raises(ConnectionError):
            go_on(connection)
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []


def test_a_body_that_takes_long_to_read_keeps_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch, caller: Caller, http: httpx2.Client
) -> None:
    """A large one is taken apart beside the requests of others."""
    begun, others_answered = Event(), Event()

    def slowly(*args: Any) -> Any:
        begun.set()
        assert others_answered.wait(10)
        return parse(*args)

    monkeypatch.setattr(bodies, "parse", slowly)
    many = b"[" + b"[]," * bodies.AT_ONCE + b'"\\u0000"]'
    said = json.dumps(WORDS).encode()[:-1] + b', "variables": {"a": ' + many + b"}}"
    with ThreadPoolExecutor(1) as beside:
        slow = beside.submit(caller.post, "/v1/messages", content=said, headers=JSON)
        assert begun.wait(10)
        assert http.get("/healthz").status_code == 200
        others_answered.set()
        assert where(problem(slow.result(), 422)) == [f"#/variables/a/{bodies.AT_ONCE}"]


def test_no_page_loads_anything_from_another_host(http: httpx2.Client) -> None:
    """There are no pages; the specification is JSON."""
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert http.get(path).status_code == 404
    assert http.get("/v1/openapi.json").json()["openapi"] == "3.1.0"


@pytest.mark.parametrize("path", ["/v1/mailings/a%00b", "/v1/mailings/a%0Ab", "/v1/mailings/%ff%fe", "/v1/messages/msg_%00"])
def test_odd_bytes_in_a_path_find_nothing(caller: Caller, path: str) -> None:
    """Whatever they decode to."""
    response = caller.get(path)

    problem(response, 422 if response.status_code == 422 else 404)


def test_an_upload_without_room_is_refused_until_there_is_some(
    monkeypatch: pytest.MonkeyPatch, caller: Caller, made: str, tmp_path: Path
) -> None:
    """It goes to a temporary file; where that cannot be made or written, it is not the client's fault."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))

    response = caller.post(f"{made}/recipients", content=b'{"address": "ann@x.example"}', headers=NDJSON)

    assert problem(response, 503)
    assert response.headers["retry-after"]


def test_every_answer_has_an_id(caller: Caller, http: httpx2.Client) -> None:
    """The client's, if it is one that a log can bear."""
    own = caller.get("/v1/mailings", headers={"X-Request-ID": "job-4711-a"})
    odd = caller.get("/v1/mailings", headers={"X-Request-ID": "x" * 100})

    assert own.headers["x-request-id"] == "job-4711-a"
    assert len(odd.headers["x-request-id"]) == 16
    assert http.get("/nothing").headers["x-request-id"]


def test_a_mailing_is_refused_by_the_field_at_fault(caller: Caller, database: Database) -> None:
    """Each of them, one by one; nothing is made."""
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"name": ""}, "#/name"),
        ({"name": "two\nlines"}, "#/name"),
        ({"subject": "{{ name"}, "#/subject"),
        ({"subject": None}, "#/subject"),
        ({"text": None}, "#"),
        ({"sender": "nobody"}, "#/sender"),
        ({"sender": "Shop <shop@x.example>\r\nBcc: eve@x.example"}, "#/sender"),
        ({"subject": "Hi\r\nBcc: eve@x.example"}, "#/subject"),
        ({"reply_to": "a@x.example\nBcc: eve@x.example"}, "#/reply_to"),
        ({"headers": {"X-Shop": "a\r\nBcc: eve@x.example"}}, "#/headers/X-Shop"),
        ({"headers": {"Bcc": "eve@x.example"}}, "#/headers/Bcc"),
        ({"scheduled_at": "tomorrow"}, "#/scheduled_at"),
        ({"scheduled_at": "2026-12-24T18:00:00"}, "#/scheduled_at"),
        ({"scheduled_at": "9999-12-31T23:59:59-23:59"}, "#/scheduled_at"),
        ({"scheduled_at": 1800000000}, "#/scheduled_at"),
        ({"scheduled_at": "2100-01-02T00:00Z", "expires_at": "2100-01-01T00:00Z"}, "#/expires_at"),
        ({"repeats": "yes"}, "#/repeats"),
        ({"recipients": []}, "#/recipients"),
        ({"recipients": [{"address": 7}]}, "#/recipients/0/address"),
        (
            {"recipients": [{"address": "a@x.example", "variables": {"name": "A", "address": "b"}}]},
            "#/recipients/0/variables/address",
        ),
        ({"recipients": [{"address": "a@x.example", "variables": {"name": "\0"}}]}, "#/recipients/0/variables/name"),
        ({"recipients": [{"address": "a@x.example"}] * 5001}, "#/recipients"),
        ({"ready_made": True}, "#/subject"),
    ]
    for more, field in wrong:
        refused = problem(caller.post("/v1/mailings", json=LETTER | more), 422)
        assert field in where(refused), (more, refused)
    assert count(database, mailing) == 0


def test_nothing_that_was_sent_is_repeated(caller: Caller, http: httpx2.Client) -> None:
    """It may be a secret."""
    secret = "hunter2-hunter2"
    answers = [
        caller.post("/v1/messages", json=WORDS | {"lane": secret, "text": [secret]}),
        caller.post("/v1/messages", content=b'{"to": "' + secret.encode(), headers=JSON),
        caller.get("/v1/mailings", params={"limit": secret}),
        http.get("/v1/mailings", headers={"Authorization": f"Bearer {secret}"}),
    ]

    assert {each.status_code for each in answers} == {400, 401, 422}
    assert [each for each in answers if secret in each.text] == []
