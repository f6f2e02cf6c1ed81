"""Loopback ports: one that is free now, and the same one again at the next start if nobody took it."""

import json
import os
import socket
from pathlib import Path

from mailq.errors import Unavailable
from mailq.local import faults

HOST = "127.0.0.1"
_FILE = "ports.json"


def free(preferred: int = 0) -> int:
    """A port nobody listens on: the preferred one if possible. It may be taken again before it is used: be ready to retry."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            chosen: int = probe.getsockname()[1]
            return chosen
    raise Unavailable(f"no free port on {HOST}")


def listening(port: int, *, name: str, host: str = HOST) -> socket.socket:
    """A listening socket to hand to a child, 0 for any port: whoever connects waits until the child accepts.

    Raises:
        Unavailable: the port is taken.
    """
    try:
        return socket.create_server((host, port), backlog=1024)
    except OSError as error:
        raise Unavailable(f"{name} cannot listen on {host}:{port}: {os.strerror(error.errno or 0).lower()}") from None


def remembered(directory: Path, name: str) -> int:
    """The port a server had last time, or 0."""
    return _all(directory).get(name, 0)


def remember(directory: Path, name: str, port: int) -> None:
    """Note a server's port for the next start, so that its URL stays."""
    with faults.files_of(directory):
        (directory / _FILE).write_text(json.dumps(_all(directory) | {name: port}))


def _all(directory: Path) -> dict[str, int]:
    try:
        noted = json.loads((directory / _FILE).read_text())
        return {str(name): int(port) for name, port in noted.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
