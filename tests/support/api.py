"""The HTTP API on a real socket, in a thread of the test's own process; and a client that says what tests say."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI

from mailq.settings import Settings
from mailq.web.api import serving
from mailq.web.api.app import create
from tests.support.waiting import eventually


class ApiThread:
    """An API that serves until it is closed."""

    def __init__(self, settings: Settings) -> None:
        self.app: FastAPI = create(settings)
        self._listening = serving.listen("127.0.0.1", 0)
        self.address: tuple[str, int] = self._listening.getsockname()
        self.url = serving.address(self._listening)
        self.server = uvicorn.Server(serving.configuration(settings, serves=self.app))
        self._thread = threading.Thread(target=self.server.run, args=([self._listening],), name="api")
        self._thread.start()
        eventually(lambda: self.server.started)

    def connect(self) -> socket.socket:
        """A bare connection, for what no client library would say."""
        return socket.create_connection(self.address, timeout=20)

    def close(self) -> None:
        """Stop as SIGTERM would."""
        self.server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()


@contextmanager
def serving_api(settings: Settings) -> Iterator[ApiThread]:
    """An API for the length of a block."""
    running = ApiThread(settings)
    try:
        yield running
    finally:
        running.close()


@dataclass(frozen=True)
class Caller:
    """A client with a key."""

    http: httpx2.Client
    key: str

    def __getattr__(self, verb: str) -> Any:
        """`get`, `post`, … with the key."""

        def call(path: str, **said: Any) -> httpx2.Response:
            said["headers"] = {"Authorization": f"Bearer {self.key}"} | dict(said.get("headers") or {})
            return getattr(self.http, verb)(path, **said)

        return call


def problem(response: httpx2.Response, status: int) -> dict[str, Any]:
    """The problem that an answer is."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert set(document) <= {"type", "title", "status", "detail", "errors"}
    assert document["status"] == status
    return document


def where(document: dict[str, Any]) -> list[str]:
    """What a problem points at."""
    return [
        str(each.get("pointer") or each.get("parameter") or each.get("header") or each.get("line")) for each in document["errors"]
    ]
