"""A proxy before PostgreSQL that loses the reply to a COMMIT: it reaches the server, takes effect, and nobody hears of it."""

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

_COMMIT = b"COMMIT\x00"


class CuttingProxy:
    """Passes bytes on, both ways, until it is armed.

    Attributes:
        num_cut: connections that lost the reply to a COMMIT.
    """

    def __init__(self, database_url: str) -> None:
        parts = urlsplit(database_url)
        self._target = (str(parts.hostname), int(parts.port or 5432))
        self._server = socket.create_server(("127.0.0.1", 0))
        port = self._server.getsockname()[1]
        self.url = urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}"))
        self.num_cut = 0
        self._to_cut = 0
        self._marker = b""
        self._guard = threading.Lock()
        threading.Thread(target=self._accept, name="cutting-proxy", daemon=True).start()

    def cut(self, times: int, *, after: bytes) -> None:
        """Lose the replies to the next so many COMMITs of transactions in which these bytes were sent."""
        with self._guard:
            self._to_cut, self._marker = times, after

    def close(self) -> None:
        """Take no more connections."""
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            lost = threading.Event()
            threading.Thread(target=self._forth, args=(client, server, lost), daemon=True).start()
            threading.Thread(target=self._back, args=(client, server, lost), daemon=True).start()

    def _forth(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        marked = False
        with suppress(OSError):
            while data := client.recv(1 << 16):
                marked = marked or (bool(self._marker) and self._marker in data)
                if _COMMIT in data:
                    if marked and self._take_a_cut():
                        lost.set()
                    marked = False
                server.sendall(data)
        _end(server)

    def _back(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(1 << 16):
                if lost.is_set():
                    # The server has answered, so it has committed.
                    break
                client.sendall(data)
        _end(client)
        _end(server)

    def _take_a_cut(self) -> bool:
        with self._guard:
            if self._to_cut == 0:
                return False
            self._to_cut -= 1
            self.num_cut += 1
            return True


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
