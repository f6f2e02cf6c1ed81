"""A private PostgreSQL: a cluster made once, complete or not at all; then `postgres` itself as our child."""

import secrets
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from mailq.errors import Misconfigured, Unavailable
from mailq.local import binaries, faults, leftovers, ports
from mailq.local.binaries import Origin, PostgresBinaries
from mailq.local.place import Place
from mailq.local.supervisor import Child, Rank, Stop, Supervisor, run_once

ROLE = "mailq"
DATABASE = "mailq"
_NAME = "postgres"
_PASSWORD = "postgres.password"  # noqa: S105 - a file name
_READY_WITHIN = 60.0  # a crash recovery replays up to max_wal_size
_TRIES = 20

# For many small commits and few readers on a small machine. fsync and synchronous_commit stay on: what a commit says is true.
SETTINGS: Mapping[str, str] = {
    "listen_addresses": ports.HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    # 256 MB cost a tenth more of PostgreSQL's time per mail; docs/postgresql.md says what else was tried.
    "shared_buffers": "512MB",
    "max_wal_size": "2GB",
    "min_wal_size": "256MB",
    "wal_compression": "on",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
# Fast shutdown, then immediate: the next start replays the log.
_STOP = Stop(((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0)))


@dataclass
class Postgres:
    """The server of one place.

    Attributes:
        overrides: settings on top of `SETTINGS`; tests switch fsync off here, nobody else should.
    """

    place: Place
    origin: Origin = Origin.ANY
    overrides: Mapping[str, str] = field(default_factory=dict)

    def start(self, supervisor: Supervisor) -> tuple[Child, str]:
        """Make the cluster if there is none, start the server and wait for it; returns it and its URL.

        Raises:
            Misconfigured: no fitting binaries, or the password is lost.
            Unavailable: it does not start; the text has its last lines.
        """
        chosen = binaries.postgres(self.place, self.origin, major=self._major())
        if not self._data.exists():
            self._create(supervisor, chosen)
        leftovers.clear(self._data, self._pid_file, _STOP.steps)
        child, port = self._serve(supervisor, chosen)
        ports.remember(self.place.directory, _NAME, port)
        return child, f"postgresql://{ROLE}:{quote(self._password(), safe='')}@{ports.HOST}:{port}/{DATABASE}"

    @property
    def _data(self) -> Path:
        return self.place.directory / "postgres"

    @property
    def _pid_file(self) -> Path:
        return self._data / "postmaster.pid"

    def _major(self) -> int | None:
        try:
            return int((self._data / "PG_VERSION").read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            raise Misconfigured(f"{self._data} is not a PostgreSQL directory of this user; choose another MAILQ_HOME") from None

    def _password(self) -> str:
        path = self.place.directory / _PASSWORD
        try:
            return path.read_text().strip()
        except OSError:
            raise Misconfigured(
                f"the password file {path} cannot be read: restore it, or move {self._data} away to begin with an empty database"
            ) from None

    def _create(self, supervisor: Supervisor, chosen: PostgresBinaries) -> None:
        """Build the cluster under another name: what a crash leaves half-done is never taken for a cluster."""
        fresh = self.place.directory / "postgres.new"
        password = self.place.directory / _PASSWORD
        with faults.files_of(self.place.directory):
            shutil.rmtree(fresh, ignore_errors=True)
            password.unlink(missing_ok=True)
            password.touch(mode=0o600)
            password.write_text(secrets.token_urlsafe(24))
            self.place.give(password)
        self.place.make(fresh.name)
        try:
            self._initialize(supervisor, chosen, fresh, password)
        except Unavailable:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        with faults.files_of(self._data):
            fresh.rename(self._data)

    def _initialize(self, supervisor: Supervisor, chosen: PostgresBinaries, data: Path, password: Path) -> None:
        account = self.place.account
        options = ["-U", ROLE, "--pwfile", str(password), "-A", "scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"]
        initdb = [str(chosen.directory / "initdb"), "-D", str(data), "--no-sync", *options]
        run_once(supervisor, "initdb", initdb, account=account, within=60)
        statement = self.place.directory / "create.sql"
        with faults.files_of(statement):
            statement.write_text(f"CREATE DATABASE {DATABASE};\n")
            self.place.give(statement)
        # Single-user mode reads statements from its input; `sh` opens it as the servers' user.
        single = ["/bin/sh", "-c", 'exec "$0" --single -D "$1" -F postgres <"$2"', f"{chosen.directory}/postgres"]
        run_once(supervisor, "initdb", [*single, str(data), str(statement)], account=account, within=60)
        statement.unlink()

    def _serve(self, supervisor: Supervisor, chosen: PostgresBinaries) -> tuple[Child, int]:
        """Start until it serves: a port may be taken from under us, and a killed predecessor's children need a moment to go."""
        preferred = ports.remembered(self.place.directory, _NAME)
        for left in reversed(range(_TRIES)):
            port = ports.free(preferred)
            child = self._spawn(supervisor, chosen, port)
            try:
                child.wait_until(self._is_ready, _READY_WITHIN)
            except Unavailable:
                words = child.last_words()
                child.kill()
                supervisor.forget(child)
                if left and faults.PORT_TAKEN in words:
                    preferred = 0
                elif not left or not any(sign in words for sign in faults.STILL_ENDING):
                    raise
            else:
                return child, port
        raise AssertionError("unreachable")

    def _is_ready(self) -> bool:
        """The server writes its state into the eighth line of its pid file (as `pg_ctl` reads it)."""
        try:
            lines = self._pid_file.read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"

    def _spawn(self, supervisor: Supervisor, chosen: PostgresBinaries, port: int) -> Child:
        options = [f"-c{name}={value}" for name, value in {**SETTINGS, "port": str(port), **self.overrides}.items()]
        return supervisor.start(
            _NAME,
            [str(chosen.directory / "postgres"), "-D", str(self._data), *options],
            rank=Rank.SERVER,
            stop=_STOP,
            account=self.place.account,
            cwd=Path("/"),
            death_signal=signal.SIGINT,
        )
