"""Where servers and their data lie, so that the unprivileged user they run as can reach them.

Root may keep MAILQ_HOME, or the environment with the binaries, under a directory that is closed to others, as /root is. People's
directories are never opened up: data and copies of binaries then go to a directory of ours, named by a hash of the home.
"""

import hashlib
import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from mailq.errors import Misconfigured
from mailq.local import faults
from mailq.local.supervisor import Account

POINTER = "data-directory"
_SHELTERS = (Path("/var/tmp"), Path("/tmp"))  # noqa: S108 - guarded by `_own`


@dataclass(frozen=True)
class Place:
    """A directory for the servers' data and the user they run as; `account` None keeps the present user."""

    directory: Path
    account: Account | None

    def make(self, name: str) -> Path:
        """A directory in here, closed to all but the servers' user."""
        path = self.directory / name
        with faults.files_of(path):
            if not path.exists():
                path.mkdir(mode=0o700)
                self.give(path)
            owner = path.stat().st_uid
        if owner != (self.account.uid if self.account else os.geteuid()):
            raise Misconfigured(f"{path} belongs to user {owner}; start as that user, or choose another place with MAILQ_HOME")
        return path

    def give(self, path: Path) -> None:
        """Make the servers' user the owner."""
        if self.account:
            os.chown(path, self.account.uid, self.account.gid)

    def can_reach(self, path: Path) -> bool:
        """Whether the servers' user can read or run what is there."""
        return self.account is None or _open_to(self.account, path)

    def copy(self, source: Path, name: str, *parts: str) -> Path:
        """Bring these parts of a directory to where the servers' user can reach them; done once per name, never by half."""
        target = self.directory / name
        if not target.exists():
            half = target.with_name(f"{name}.half")
            with faults.files_of(half):
                shutil.rmtree(half, ignore_errors=True)
                half.mkdir(mode=0o755)
                half.chmod(0o755)
                for part in parts:
                    _copy(source / part, half / part)
                half.rename(target)
        return target


def find(home: Path, *, user: str = "nobody") -> Place:
    """The place for a home: itself where that can be reached by the servers' user, else a shelter.

    Raises:
        Misconfigured: no such user, a home that cannot be written, or a shelter that belongs to somebody else.
    """
    with faults.files_of(home):
        home.mkdir(parents=True, exist_ok=True)
        if not os.access(home, os.W_OK | os.X_OK):
            raise Misconfigured(f"{home} is not writable for this user; choose another place with MAILQ_HOME")
        if os.geteuid() != 0:
            return Place(home, None)
        account = _account(home, user)
        if _open_to(account, home):
            return Place(home, account)
        shelter = _own(_shelter(home))
        (home / POINTER).write_text(f"{shelter}\n")
        return Place(shelter, account)


def _account(home: Path, user: str) -> Account:
    """Whoever owns the data works on it: a home that a user has begun stays with that user."""
    data = home / "postgres"
    if data.exists() and (owner := data.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid, str(owner.st_uid))
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise Misconfigured(f"PostgreSQL refuses to run as root, and there is no user {user} to run it as") from None
    return Account(entry.pw_uid, entry.pw_gid, user)


def _open_to(account: Account, path: Path) -> bool:
    return all(_may_pass(account, directory.stat()) for directory in (path.resolve(), *path.resolve().parents))


def _may_pass(account: Account, entry: os.stat_result) -> bool:
    if entry.st_uid == account.uid:
        return bool(entry.st_mode & stat.S_IXUSR)
    if entry.st_gid == account.gid:
        return bool(entry.st_mode & stat.S_IXGRP)
    return bool(entry.st_mode & stat.S_IXOTH)


def _shelter(home: Path) -> Path:
    name = hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:16]
    base = next((shelter for shelter in _SHELTERS if shelter.is_dir()), _SHELTERS[-1])
    return base / f"mailq-{name}"


def _own(directory: Path) -> Path:
    """Anybody may create names in a shelter: take the directory only if it is ours and nobody else can write to it."""
    directory.mkdir(mode=0o711, exist_ok=True)
    entry = directory.lstat()
    if not stat.S_ISDIR(entry.st_mode) or entry.st_uid != os.geteuid() or entry.st_mode & 0o022:
        raise Misconfigured(f"{directory} belongs to somebody else; remove it, or choose another MAILQ_HOME")
    directory.chmod(0o711)
    return directory


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("include", "__pycache__"))
        for path in (target, *target.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
    else:
        shutil.copy2(source, target)
        target.chmod(0o755)
