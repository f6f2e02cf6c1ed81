"""A client that was used before a fork, as servers do that load an app once and fork their workers from it."""

import asyncio
import gc
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg
import pytest

from mailq import AsyncClient, Client, Message
from tests.integration.client.conftest import Ledger
from tests.support.forks import in_a_forked_child

HELLO = Message("ann@people.example", "s", "shop@shop.example", text="t")
SESSIONS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'mailq client' AND datname = current_database()"


class NamesTheConnection(BaseHTTPRequestHandler):
    """Keeps connections open, and says by which one a message came."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Take a message."""
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"id": f"msg_{self.client_address[1]}", "created": True}).encode()
        self.send_response(202)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def naming_api() -> Iterator[str]:
    """Where it listens."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), NamesTheConnection)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(params=[Client, AsyncClient], ids=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> type[Any]:
    """Either client."""
    made: type[Any] = request.param
    return made


@pytest.fixture
def loops() -> Iterator[asyncio.Runner]:
    """The event loop of the parent."""
    with asyncio.Runner() as runner:
        yield runner


def done(call: Any, loop: asyncio.Runner | None = None) -> Any:
    """What either client answers; in a child, in a loop of its own."""
    if not asyncio.iscoroutine(call):
        return call
    return loop.run(call) if loop else asyncio.run(call)


def test_a_forked_child_has_a_session_of_its_own(
    kind: type[Any], loops: asyncio.Runner, database_url: str, ledger: Ledger
) -> None:
    """Two processes on one connection would read each other's answers. The parent's stays what it was."""

    def sends_over_another_one() -> bool:
        done(client.send(HELLO))
        gc.collect()
        with psycopg.connect(database_url) as asking:
            return len(asking.execute(SESSIONS).fetchall()) == 2

    client = kind(database_url)
    done(client.send(HELLO), loops)
    before = ledger.rows(SESSIONS)

    assert len(before) == 1
    assert in_a_forked_child(sends_over_another_one)
    done(client.send(HELLO), loops)
    assert set(before) <= set(ledger.rows(SESSIONS))
    assert ledger.counts()["inbox"] == 3
    done(client.close(), loops)


def test_a_forked_child_that_closes_its_client_ends_no_session_of_its_parents(
    kind: type[Any], loops: asyncio.Runner, database_url: str, ledger: Ledger
) -> None:
    """As at the end of a `with` that was begun before the fork."""

    def closes() -> bool:
        done(client.close())
        return True

    client = kind(database_url)
    done(client.send(HELLO), loops)
    before = ledger.rows(SESSIONS)

    assert in_a_forked_child(closes)
    done(client.send(HELLO), loops)
    assert ledger.rows(SESSIONS) == before
    done(client.close(), loops)


def test_a_forked_child_has_an_http_connection_of_its_own(kind: type[Any], loops: asyncio.Runner, naming_api: str) -> None:
    """The parent's is kept open."""

    def sends_over_another_one() -> bool:
        mine = done(client.send(HELLO)).id
        gc.collect()
        return bool(mine != first)

    client = kind(naming_api, key="mq_test_secret")
    first = done(client.send(HELLO), loops).id

    assert in_a_forked_child(sends_over_another_one)
    assert done(client.send(HELLO), loops).id == first
    done(client.close(), loops)


def test_a_client_that_a_child_made_is_kept_by_it(naming_api: str) -> None:
    """One connection for all it sends."""

    def sends_twice() -> bool:
        return bool(client.send(HELLO).id == client.send(HELLO).id)

    with Client(naming_api, key="mq_test_secret") as client:
        client.send(HELLO)
        assert in_a_forked_child(sends_twice)
