"""A receiver of webhooks: a real HTTP server that does to its callers what a test tells it to."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ssl import SSLContext

TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclass(frozen=True)
class Received:
    """A webhook as it came.

    Attributes:
        connection: the number of the connection that it came on.
    """

    target: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def webhook_id(self) -> str:
        return self.headers["webhook-id"]


class Caller:
    """Whoever has sent a webhook and waits."""

    def __init__(self, receiver: "Receiver", connection: socket.socket) -> None:
        self.receiver = receiver
        self._connection = connection

    def say(self, octets: bytes) -> bool:
        """Send some of an answer; False if nobody listens any more."""
        try:
            self._connection.sendall(octets)
        except OSError:
            return False
        return True

    def drip(self, octets: bytes) -> None:
        """Send the same again and again, until nobody listens."""
        while not self.receiver.over.is_set() and self.say(octets):
            self.receiver.over.wait(0.02)

    def hang_up(self) -> None:
        """Say nothing more."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def hold(self) -> None:
        """Say nothing until the test lets go."""
        self.receiver.let_go.wait(30)


Script = Callable[[Caller, Received], None]


def answering(*answers: bytes) -> Script:
    """Answers with one after the other; the last one for ever."""
    left = list(answers)
    lock = threading.Lock()

    def script(caller: Caller, _: Received) -> None:
        with lock:
            answer = left.pop(0) if len(left) > 1 else left[0]
        caller.say(answer)

    return script


def status(code: int, *headers: str, body: bytes = b"") -> bytes:
    """An answer."""
    return "\r\n".join([f"HTTP/1.1 {code} Whatever", f"Content-Length: {len(body)}", *headers, "", ""]).encode() + body


class Receiver:
    """Listens on a port of 127.0.0.1, keeps what came, and notes how many were there at once."""

    def __init__(self, script: Script, *, tls: SSLContext | None = None) -> None:
        self.received: list[Received] = []
        self.connections = 0
        self.most_at_once = 0
        self.let_go, self.over = threading.Event(), threading.Event()
        self._script, self._tls = script, tls
        self._now = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/answers?from=mailq"

    def named(self, host: str, *, scheme: str = "http") -> str:
        """The same by a name."""
        return f"{scheme}://{host}:{self.port}/answers"

    def ids(self) -> list[str]:
        """What came, in its order."""
        return [each.webhook_id for each in self.received]

    def close(self) -> None:
        self.over.set()
        self.let_go.set()
        # A thread that waits in `accept` is not woken by closing what it waits for.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in list(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                number = self.connections
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with suppress(OSError):
            spoken = self._tls.wrap_socket(connection, server_side=True) if self._tls else connection
            self._open.add(spoken)
            with spoken, spoken.makefile("rb") as said:
                while (webhook := _read(said, number)) is not None and not self.over.is_set():
                    with self._lock:
                        self.received.append(webhook)
                        self._now += 1
                        self.most_at_once = max(self.most_at_once, self._now)
                    try:
                        self._script(Caller(self, spoken), webhook)
                    finally:
                        with self._lock:
                            self._now -= 1


def _read(said: object, number: int) -> Received | None:
    lines = iter(said.readline, b"")  # type: ignore[attr-defined]
    first = next(lines, b"").decode().split()
    if len(first) != 3:
        return None
    headers = {}
    for line in lines:
        if not line.strip():
            break
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    return Received(first[1], headers, said.read(int(headers.get("content-length", "0"))), number)  # type: ignore[attr-defined]


@contextmanager
def receiving(script: Script | bytes = TAKEN, *, tls: SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver for as long as the block."""
    receiver = Receiver(answering(script) if isinstance(script, bytes) else script, tls=tls)
    try:
        yield receiver
    finally:
        receiver.close()
