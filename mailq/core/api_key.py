"""Keys of the HTTP API: how one is written, what of it is kept, and what it allows.

`mq_<public id>_<secret><checksum>`: by the public id it is found; of the secret, 24 random bytes, only the SHA-256 is kept, for so
many random bits need neither salt nor a slow hash; by the checksum a typo, or what only looks like a key, is refused at once.
"""

import hashlib
import hmac
import re
import zlib
from enum import StrEnum
from typing import NamedTuple, Self

from mailq.core.ids import ALPHABET, base32

PUBLIC_BYTES = 6
SECRET_BYTES = 24

_CHECKSUM_DIGITS = 7
_WRITTEN = re.compile(rf"(mq_([{ALPHABET}]{{10}})_([{ALPHABET}]{{39}}))([{ALPHABET}]{{{_CHECKSUM_DIGITS}}})", re.ASCII)


class Scope(StrEnum):
    """What a key may be used for."""

    SEND = "send"
    """Making, loading, starting and steering mailings, sending messages, suppressing addresses."""
    READ = "read"
    """Looking at everything of its organization."""
    ADMIN = "admin"
    """Everything, and alone: servers, settling doubts, taking suppressions back."""


class ApiKey(NamedTuple):
    """A key as it is presented. It holds a secret: nothing shows it but `written`."""

    public_id: str
    secret: str

    @classmethod
    def made_of(cls, public: bytes, secret: bytes) -> Self:
        """A key of so many random bytes each: `PUBLIC_BYTES` and `SECRET_BYTES`."""
        return cls(base32(public), base32(secret))

    @property
    def written(self) -> str:
        """What whoever uses it presents."""
        text = f"mq_{self.public_id}_{self.secret}"
        return text + _checksum(text)

    @property
    def digest(self) -> str:
        """What is kept of the secret."""
        return hashlib.sha256(self.secret.encode()).hexdigest()

    def fits(self, digest: str) -> bool:
        """Whether a digest is that of its secret; takes as long for every other one."""
        return hmac.compare_digest(self.digest, digest)

    def __repr__(self) -> str:
        return f"ApiKey(mq_{self.public_id}_…)"


def read(presented: str) -> ApiKey | None:
    """The key that somebody presents; None if no such key was ever made."""
    found = _WRITTEN.fullmatch(presented)
    if found is None or _checksum(found[1]) != found[4]:
        return None
    return ApiKey(found[2], found[3])


def allowed_by(scopes: frozenset[Scope]) -> frozenset[Scope]:
    """All that scopes allow: `admin` includes the others."""
    return frozenset(Scope) if Scope.ADMIN in scopes else scopes


def _checksum(text: str) -> str:
    return base32(zlib.crc32(text.encode()).to_bytes(4, "big"))
