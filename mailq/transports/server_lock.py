"""One live server of an id in a home: a file lock held by its main process and inherited by its worker processes.

The kernel lets go of it when the last of them has ended, whatever they died of. The file says the nonce of its holder, and
the server's row names it: whoever gets the lock of the file with this nonce knows that they are dead. A fresh or replaced
file proves nothing, nor does a copy, because it says in which file it was written.
"""

import fcntl
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mailq.transports.file_identity import FileIdentity


@dataclass(frozen=True, slots=True)
class Holder:
    """Who signed a lock file last."""

    pid: int
    nonce: str


def run_path(home: Path, server: str, suffix: str) -> Path:
    """A file of a server in its home."""
    name = "".join(character if character.isalnum() or character in ".-" else "_" for character in server)
    return home.absolute() / "run" / f"{name}.{suffix}"


def lock_path(home: Path, server: str) -> Path:
    """The lock file of a server."""
    return run_path(home, server, "lock")


class ServerLock:
    """An open lock file. Nobody closes it before the process ends, or `release`.

    Attributes:
        former: who signed it last, read when it was taken.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.held = False
        self.former: Holder | None = None
        self.nonce = secrets.token_hex(16)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the file; it is not locked yet."""
        path.parent.mkdir(parents=True, exist_ok=True)
        return cls(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def take(self) -> bool:
        """Lock it unless somebody else holds it; whether it is held now."""
        if not self.held and _locked(self._descriptor):
            self.held, self.former = True, _read(self._descriptor)
        return self.held

    @property
    def holder(self) -> Holder | None:
        """Who signed it last."""
        return _read(self._descriptor)

    def sign(self) -> None:
        """Write this process and a new nonce into it. Before the row names the nonce: a death in between proves nothing."""
        octets = f"{os.getpid()} {self.nonce} {_written_in(self._descriptor)}\n".encode()
        os.pwrite(self._descriptor, octets, 0)
        os.ftruncate(self._descriptor, len(octets))

    def release(self) -> None:
        """Let the next one start."""
        os.close(self._descriptor)


def proves_dead(path: Path, nonce: str) -> bool:
    """Whether the server that signed this lock file with this nonce is dead, with all its worker processes."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Shared, and let go of at once: a start that tries at this moment tries again.
        if not _locked(descriptor, fcntl.LOCK_SH):
            return False
        found = _read(descriptor)
        return found is not None and found.nonce == nonce
    finally:
        os.close(descriptor)


def _locked(descriptor: int, how: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(descriptor: int) -> Holder | None:
    words = os.pread(descriptor, 200, 0).decode(errors="replace").split()
    if len(words) != 3 or not words[0].isdigit() or words[2] != _written_in(descriptor):
        return None
    return Holder(int(words[0]), words[1])


def _written_in(descriptor: int) -> str:
    return ":".join(map(str, FileIdentity.of(descriptor)))
