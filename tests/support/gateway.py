"""A gateway before a service: it passes bytes on, falls silent, or refuses, as a network and a dead machine do."""

import socket
import threading
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit, urlunsplit

_PIECE_BYTES = 1 << 16


class Gateway:
    """Passes bytes on, both ways, to the service of a URL.

    Attributes:
        url: the URL with the gateway's address in the place of the service's.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (str(parts.hostname), int(parts.port or 0))
        self._open = threading.Event()
        self._open.set()
        self._connections: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._address = self._listener.getsockname()
        user, at, _ = parts.netloc.rpartition("@")
        self.url = urlunsplit(parts._replace(netloc=f"{user}{at}127.0.0.1:{self._address[1]}"))
        self._serve()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()
        self._open.set()

    def fall_silent(self) -> None:
        """Say nothing more, to old connections and new ones: nobody is told that anything is wrong."""
        self._open.clear()

    def speak(self) -> None:
        """Pass on what was held back, and all that comes."""
        self._open.set()

    def refuse(self) -> None:
        """Reset every connection, and take no new one."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            _end(connection)
        self._connections.clear()

    def admit(self) -> None:
        """Take connections again, at the same address."""
        self._listener = socket.create_server(self._address)
        self._serve()

    def _serve(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), name="gateway", daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._connect, args=(client,), name="gateway", daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        self._open.wait()
        try:
            service = socket.create_connection(self._target)
        except OSError:
            client.close()
            return
        self._connections += [client, service]
        threading.Thread(target=self._copy, args=(client, service), name="gateway", daemon=True).start()
        self._copy(service, client)

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_PIECE_BYTES):
                self._open.wait()
                sink.sendall(data)
        _end(source)
        _end(sink)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
