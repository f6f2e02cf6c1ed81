"""A private Redis or Valkey: append-only, evicting nothing, with a password, on loopback."""

import secrets
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

from mailq.errors import Unavailable
from mailq.local import binaries, faults, leftovers, ports
from mailq.local.binaries import Origin, RedisBinary
from mailq.local.place import Place
from mailq.local.supervisor import Child, Rank, Stop, Supervisor

_NAME = "redis"
_PASSWORD = "redis.password"  # noqa: S105 - a file name
_READY_WITHIN = 60.0
_TRIES = 5
_STOP = Stop(((signal.SIGTERM, 10.0),))

_CONFIGURATION = """\
bind {host}
port {port}
requirepass {password}
dir {data}
pidfile {pid_file}
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
daemonize no
logfile ""
"""


@dataclass
class Redis:
    """The server of one place."""

    place: Place
    origin: Origin = Origin.ANY

    def start(self, supervisor: Supervisor) -> tuple[Child, str]:
        """Start the server and wait until it has read its data; returns it and its URL.

        Raises:
            Misconfigured: no binary.
            Unavailable: it does not start; the text has its last lines.
        """
        chosen = binaries.redis(self.place, self.origin)
        data = self.place.make(chosen.kind)
        password = self._password()
        leftovers.clear(data, data / "server.pid", _STOP.steps)
        child, port = self._serve(supervisor, chosen, data, password)
        ports.remember(self.place.directory, _NAME, port)
        return child, f"redis://:{password}@{ports.HOST}:{port}/0"

    def _password(self) -> str:
        """Kept from start to start, so that the URL stays. Loopback is open to every user of a machine."""
        path = self.place.directory / _PASSWORD
        with faults.files_of(path):
            if not path.exists():
                path.touch(mode=0o600)
                path.write_text(secrets.token_urlsafe(24))
            return path.read_text().strip()

    def _serve(self, supervisor: Supervisor, chosen: RedisBinary, data: Path, password: str) -> tuple[Child, int]:
        preferred = ports.remembered(self.place.directory, _NAME)
        for left in reversed(range(_TRIES)):
            port = ports.free(preferred)
            child = self._spawn(supervisor, chosen, data, port, password)
            try:
                child.wait_until(lambda port=port: _answers(port, password), _READY_WITHIN)  # type: ignore[misc]
            except Unavailable:
                words = child.last_words()
                child.kill()
                supervisor.forget(child)
                if not left or faults.PORT_TAKEN not in words:
                    raise
                preferred = 0
            else:
                return child, port
        raise AssertionError("unreachable")

    def _spawn(self, supervisor: Supervisor, chosen: RedisBinary, data: Path, port: int, password: str) -> Child:
        configuration = self.place.directory / "redis.conf"
        with faults.files_of(configuration):
            # Not on the command line, which every user can read.
            configuration.unlink(missing_ok=True)
            configuration.touch(mode=0o600)
            configuration.write_text(
                _CONFIGURATION.format(
                    host=ports.HOST, port=port, password=password, data=_quoted(data), pid_file=_quoted(data / "server.pid")
                )
            )
            self.place.give(configuration)
        return supervisor.start(
            _NAME,
            [str(chosen.path), str(configuration)],
            rank=Rank.SERVER,
            stop=_STOP,
            account=self.place.account,
            cwd=Path("/"),
            death_signal=signal.SIGTERM,
        )


def _answers(port: int, password: str) -> bool:
    """Two commands in Redis's inline form; while it reads its data it says LOADING."""
    try:
        with socket.create_connection((ports.HOST, port), timeout=1) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            said = b""
            while said.count(b"\r\n") < 2 and (more := connection.recv(1000)):
                said += more
            return said == b"+OK\r\n+PONG\r\n"
    except OSError:
        return False


def _quoted(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace('"', '\\"').join('""')
