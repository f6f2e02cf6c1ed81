"""A receiver of webhooks as there are many: it takes some, fails or hangs over others, and writes down all that it was told."""

import base64
import hashlib
import hmac
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any

HANGS_FOR_S = 4.0
"""Longer than an attempt may last."""
ELSEWHERE = "/elsewhere"
"""Where it leads some that must not follow."""

_SHARE_REFUSED = 0.25
_NUM_HOSTS = 4


@dataclass(frozen=True, slots=True)
class Told:
    """One attempt, as it arrived.

    Attributes:
        taken: whether it was answered that it was taken; what the sender heard of that is another matter.
        genuine: whether its signature is that of the payload.
    """

    path: str
    webhook_id: str
    payload: bytes
    taken: bool
    genuine: bool


class Receiver:
    """Listens on some addresses of this machine.

    Args:
        keys: what webhooks may be signed with.
    """

    def __init__(self, seed: int, keys: list[bytes]) -> None:
        self._dice = Random(f"{seed}/receiver")
        self._keys = keys
        self._lock = threading.Lock()
        self._told: list[Told] = []
        self.closing = threading.Event()
        self._servers = list(_servers(self))
        self.bases = ["http://{}:{}".format(*server.server_address[:2]) for server in self._servers]

    def start(self) -> None:
        """Begin."""
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), name="receiver", daemon=True).start()

    def close(self) -> None:
        """End."""
        self.closing.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def told(self) -> list[Told]:
        """Everything so far, in the order in which it came."""
        with self._lock:
            return list(self._told)

    def take(self, path: str, headers: Callable[[str], str], payload: bytes) -> "Manner":
        """Write an attempt down; how it is to be answered."""
        webhook_id = headers("webhook-id")
        genuine = self._is_genuine(webhook_id, headers("webhook-timestamp"), headers("webhook-signature"), payload)
        with self._lock:
            manner = self._dice.choice(MANNERS) if self._dice.random() < _SHARE_REFUSED else TAKE
            self._told.append(Told(path, webhook_id, payload, manner is TAKE, genuine))
        return manner

    def _is_genuine(self, webhook_id: str, timestamp: str, signatures: str, payload: bytes) -> bool:
        signed = f"{webhook_id}.{timestamp}.".encode() + payload
        known = {"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in self._keys}
        return not known.isdisjoint(signatures.split())


@dataclass(frozen=True, slots=True)
class Manner:
    """How an attempt is answered.

    Attributes:
        status: None if there is no answer at all.
        hangs: whether that takes longer than anybody waits.
    """

    status: int | None
    hangs: bool = False
    headers: tuple[tuple[str, str], ...] = ()


TAKE = Manner(204)
MANNERS = (
    Manner(500),
    Manner(503, headers=(("Retry-After", "1"),)),
    Manner(302, headers=(("Location", ELSEWHERE),)),
    Manner(None),
    # It has taken it, and its sender never hears of that.
    Manner(None, hangs=True),
)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20
    receiver: Receiver

    def do_POST(self) -> None:
        payload = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        manner = self.receiver.take(self.path, lambda name: str(self.headers.get(name, "")), payload)
        if manner.hangs:
            self.receiver.closing.wait(HANGS_FOR_S)
        if manner.status is None:
            self.close_connection = True
            return
        self.send_response(manner.status)
        for name, value in manner.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing: what came is kept."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of senders that were killed."""


def _servers(receiver: Receiver) -> Iterator[ThreadingHTTPServer]:
    """Several hosts, where the machine has more than one loopback address: one that hangs holds up its own answers alone."""
    handler = type("Handler", (_Handler,), {"receiver": receiver})
    for number in range(1, _NUM_HOSTS + 1):
        try:
            yield _Server((f"127.0.0.{number}", 0), handler)
        except OSError:
            if number == 1:
                raise
            return


@contextmanager
def listening(seed: int, keys: list[bytes]) -> Iterator[Receiver]:
    """A receiver for the length of a block."""
    receiver = Receiver(seed, keys)
    receiver.start()
    try:
        yield receiver
    finally:
        receiver.close()
