"""What a running stack leaves in its home: a lock that no crash can leave locked, addresses for the settings, facts for people."""

import fcntl
import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from mailq.errors import Conflict
from mailq.local import faults
from mailq.settings import STACK_FILE

LOCK = "stack.lock"
FACTS = "stack.json"


@dataclass(frozen=True)
class Facts:
    """Who runs the stack of a home, since when, and where it can be found; never a password.

    Attributes:
        addresses: by name, as `postgres` or `relay`; a URL without password.
        pids: by name of the child.
        files: by name, as `accepted` or `maildir`.
    """

    pid: int
    started_at: datetime
    addresses: dict[str, str] = field(default_factory=dict)
    pids: dict[str, int] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Be the one stack of a home. The kernel frees the lock when the process ends, however it ends.

    Raises:
        Conflict: another process runs the stack of this home; the text says which and where.
    """
    with faults.files_of(home):
        lock = os.open(home / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(_occupied(home)) from None
        yield
    finally:
        os.close(lock)


def facts(home: Path) -> Facts | None:
    """What the running stack says of itself; None if none runs or it is still starting. Stale after a crash: ask `is_running`."""
    try:
        noted = json.loads((home / FACTS).read_text())
        return Facts(**noted | {"started_at": datetime.fromisoformat(noted["started_at"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def is_running(home: Path) -> bool:
    """Whether a process holds the stack of this home."""
    if not home.is_dir():
        return False
    try:
        with locked(home):
            return False
    except Conflict:
        return True


def addresses(home: Path) -> dict[str, str]:
    """The settings a stack left in its home: stale unless it runs."""
    try:
        return {name: str(value) for name, value in tomllib.loads((home / STACK_FILE).read_text()).items()}
    except (OSError, ValueError):
        return {}


def publish(home: Path, settings: Mapping[str, str], about: Facts) -> None:
    """Let every mailq process of this home find the stack."""
    with faults.files_of(home):
        # A JSON string without surrogates is a TOML basic string.
        lines = (f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in settings.items())
        _replace(home / STACK_FILE, "# Written by the running local stack, removed when it stops.\n" + "".join(lines))
        _replace(home / FACTS, json.dumps(asdict(about), default=str, indent=2) + "\n")


def withdraw(home: Path) -> None:
    """Take back what `publish` wrote, as far as possible: servers are still to be stopped."""
    for name in (STACK_FILE, FACTS):
        with suppress(OSError):
            (home / name).unlink(missing_ok=True)


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)


def _occupied(home: Path) -> str:
    about = facts(home)
    if about is None:
        return f"a local stack is just starting or stopping in {home}"
    where = ", ".join(f"{name} {address}" for name, address in about.addresses.items())
    since = about.started_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return f"a local stack runs in {home} already (pid {about.pid} since {since}): {where}; end it with `mailqctl down`"
