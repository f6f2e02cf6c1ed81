"""What a peer has to offer so that it can be measured."""

import json
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from tests.benchmarks import processes, recipients
from tests.benchmarks.ground import Ground

PROCESSES = 2
_HERE = Path(__file__).parent
_UV = Path(__file__).parents[3] / ".tools" / "uv" / "bin" / "uv"


@dataclass(frozen=True)
class PeerRun:
    """What a run of a peer showed; its CPU includes PostgreSQL's, if it uses one, and not the sink's."""

    mails_per_s: float
    cpu_us_per_mail: float


class Peer(ABC):
    """Another way to send the same mail to the same people.

    Attributes:
        does: what exactly it does for a mail.
        patient: whether it is quick enough for as many mails as ours gets.
    """

    does: ClassVar[str]
    patient: ClassVar[bool] = False
    packages: ClassVar[Sequence[str]] = ()

    def __init__(self, ground: Ground, directory: Path) -> None:
        self.ground = ground
        self.directory = directory
        if self.packages:
            self.python = _environment(directory / "env", self.packages)

    @property
    @abstractmethod
    def version(self) -> str:
        """Which version of it runs."""

    @abstractmethod
    def send(self, mails: int) -> PeerRun:
        """Send to the recipients of `ground`'s file of so many.

        Raises:
            RuntimeError: it failed, or did not send all.
        """

    def version_of(self, package: str) -> str:
        """The version of a package in its environment."""
        return self.told(["-c", f"from importlib.metadata import version; print(version({package!r}))"]).strip()

    def told(self, words: Sequence[str]) -> str:
        """What its Python prints; isolated, so that it finds nothing of ours."""
        return processes.run([str(self.python), "-I", *words]).output

    def do(self, script: str, **facts: Any) -> dict[str, Any]:
        """Run one of the scripts beside this module with these facts; the last line that it prints is JSON."""
        content = recipients.CONTENT
        relay, database = urlsplit(self.ground.sink.url), urlsplit(self.ground.running.database_url)
        given = {
            "content": {name: getattr(content, name) for name in ("subject", "sender", "text", "html")},
            "host": relay.hostname,
            "port": relay.port,
            "processes": PROCESSES,
            "database": {
                "user": database.username,
                "password": database.password,
                "host": database.hostname,
                "port": database.port,
                "dbname": self.database_name,
            },
            **facts,
        }
        path = self.directory / "facts.json"
        path.write_text(json.dumps(given), encoding="utf-8")
        said = self.told([str(_HERE / script), str(path)])
        found: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
        return found

    @property
    def database_name(self) -> str:
        """Its own database in the stack's cluster."""
        return "peer_" + type(self).__name__.lower()

    def make_database(self) -> None:
        """Make its database, once."""
        with self.ground.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
            session.exec_driver_sql(f"CREATE DATABASE {self.database_name}")

    def counted(self, mails: int, **facts: Any) -> PeerRun:
        """Run a script that sends, and add up what it and PostgreSQL spent."""
        before = self.ground.postgres_cpu_s()
        found = self.do(**facts)
        cpu_s = found["cpu_s"] + self.ground.postgres_cpu_s() - before
        if found["sent"] != mails:
            raise RuntimeError(f"{type(self).__name__} sent {found['sent']} of {mails} mails")
        return PeerRun(mails / found["seconds"], cpu_s / mails * 1e6)


def described(run: PeerRun) -> dict[str, float]:
    """A run as the document has it."""
    return {name: round(value, 1) for name, value in asdict(run).items()}


def _environment(directory: Path, packages: Sequence[str]) -> Path:
    """Make a virtual environment with these packages; its Python."""
    uv = shutil.which("uv") or (str(_UV) if _UV.exists() else None)
    python = directory / "bin" / "python"
    if uv:
        _run([uv, "venv", "-q", "--python", sys.executable, str(directory)])
        _run([uv, "pip", "install", "-q", "--python", str(python), *packages])
    else:
        _run([sys.executable, "-m", "venv", str(directory)])
        _run([str(python), "-m", "pip", "install", "-q", *packages])
    return python


def _run(argv: Sequence[str]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"a peer cannot be installed: {done.stderr[-1000:]}")
