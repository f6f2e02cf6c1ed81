"""An HTTP server that answers what it is told to, or does not: what stands between a client and mailq on a bad day."""

import json
import socketserver
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Reply = bytes | Callable[["Heard"], bytes]
CUT = b""
"""The connection is closed without an answer."""


@dataclass(frozen=True)
class Heard:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def key(self) -> str | None:
        return self.headers.get("idempotency-key")


def reply(status: int, document: object = None, *, media_type: str = "application/json", **headers: str) -> bytes:
    """An answer, byte for byte."""
    body = b"" if document is None else document if isinstance(document, bytes) else json.dumps(document).encode()
    named = {"content-type": media_type, "content-length": str(len(body)), "connection": "close"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in named.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def problem(status: int, detail: str, *errors: Mapping[str, Any], **headers: str) -> bytes:
    """A refusal as mailq writes it (RFC 9457)."""
    document = {"type": "urn:mailq:problem:some", "title": "Some", "status": status, "detail": detail, "errors": list(errors)}
    return reply(status, document, media_type="application/problem+json", **headers)


class HostileApi:
    """Answers the requests in their order with the next reply; the last one is given for ever."""

    def __init__(self, *replies: Reply) -> None:
        self.heard: list[Heard] = []
        self._replies = deque(replies)
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.api = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def next_reply(self, heard: Heard) -> bytes:
        """Note a request, and find its answer."""
        with self._lock:
            self.heard.append(heard)
            chosen = self._replies.popleft() if len(self._replies) > 1 else self._replies[0]
        return chosen if isinstance(chosen, bytes) else chosen(heard)

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    api: HostileApi


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        first = self.rfile.readline().decode().split()
        if len(first) < 2:
            return
        headers = {}
        while line := self.rfile.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        body = self.rfile.read(int(headers.get("content-length", "0")))
        assert isinstance(self.server, _Server)
        answer = self.server.api.next_reply(Heard(first[0], first[1], headers, body))
        self.wfile.write(answer)
