"""What the machine refuses, said in one sentence: full disks, unwritable directories, a server's last words."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mailq.errors import MailqError, Misconfigured, Unavailable

PORT_TAKEN = "Address already in use"
STILL_ENDING = ("pre-existing shared memory block", 'lock file "postmaster.pid" already exists')

_LAST_WORDS = {
    "No space left on device": "the disk is full",
    PORT_TAKEN: "its port is taken",
    "Cannot allocate memory": "there is not enough memory",
    "could not map anonymous shared memory": "there is not enough memory",
    "invalid locale name": "the locale C.UTF-8 is missing on this machine",
    "Can't handle RDB format": "its data was written by another version; move the directory away, mailq can rebuild the queues",
    "database files are incompatible": "its data was written by another version",
}


@contextmanager
def files_of(directory: Path) -> Iterator[None]:
    """Turn what the file system refuses in here into a sentence about the directory.

    Raises:
        Unavailable: the disk is full.
        Misconfigured: no right to write there, or a file stands in the way.
    """
    try:
        yield
    except OSError as error:
        raise refused(directory, error) from error


def refused(directory: Path, error: OSError) -> MailqError:
    """The sentence for one refusal of the file system."""
    where = error.filename or directory
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return Unavailable(f"the disk of {directory} is full; make room, or choose another place with MAILQ_HOME")
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return Misconfigured(f"{where} is not writable for this user; choose another place with MAILQ_HOME")
        case errno.EEXIST | errno.ENOTDIR:
            return Misconfigured(f"{where} is not a directory; choose another place with MAILQ_HOME")
        case _:
            return Unavailable(f"{where}: {error.strerror or error}")


def ended(name: str, code: int, words: str, log: Path) -> Unavailable:
    """A server that ended though nobody stopped it: why, in words, and its last lines."""
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    why = next((f": {reason}" for sign, reason in _LAST_WORDS.items() if sign in words), "")
    tail = "".join(f"\n  {line}" for line in words.splitlines()[-5:])
    return Unavailable(f"{name} {how}{why}; see {log}{tail}")
