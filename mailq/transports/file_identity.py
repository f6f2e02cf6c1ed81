"""Which file it is: a copy has the same content, and nobody's lock. Content that proves something says in which file it stands."""

import os
from typing import NamedTuple, Self


class FileIdentity(NamedTuple):
    """A file on this host during this boot, whatever it is called; a moved or linked one stays the same, a copy is another."""

    device: int = 0
    inode: int = 0

    @classmethod
    def of(cls, descriptor: int) -> Self:
        """That of an open file."""
        status = os.fstat(descriptor)
        return cls(status.st_dev, status.st_ino)
