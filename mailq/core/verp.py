"""An envelope sender of its own for every delivery (VERP): by it a relay's log and a bounce name the delivery they are about.

`bounces@example.com` becomes `bounces+<mailing, hexadecimal>.<seq>.<tag>@example.com`, the same on every attempt. The tag is
keyed by the installation's secret, so that nobody can make us believe in a bounce of somebody else's mail.
"""

import re
from base64 import b32encode
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from hmac import compare_digest

_TAG_OCTETS = 5
_TAG_LETTERS = 8
# RFC 5321 4.5.3.1: 64 octets before the @, 254 in all. A mailing id has 14 hexadecimal digits (16 bits of month above 40 of
# number), a seq has 10 digits, and a `+` and two dots stand between.
_MAX_LOCAL = 64
_MAX_ADDRESS = 254
_ADDED = 14 + 10 + _TAG_LETTERS + 3
MAX_NAME = _MAX_LOCAL - _ADDED
"""Octets that the part before the @ of a bounce address may have: 29."""

_ATOM = r"[a-z0-9!#$%&'*/=?^_`{|}~-]+"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_BOUNCE = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@({_LABEL}(?:\.{_LABEL})+)", re.ASCII | re.IGNORECASE)
_DETAIL = re.compile(rf"([0-9a-f]{{1,14}})\.([0-9]{{1,10}})\.([a-z2-7]{{{_TAG_LETTERS}}})", re.ASCII)


def require_bounce_address(address: str) -> str:
    """A bounce address that leaves room for what is put behind its name.

    Raises:
        ValueError: it is malformed or too long; with the reason as a sentence.
    """
    found = _BOUNCE.fullmatch(address)
    if found is None:
        raise ValueError("must be a plain address such as bounces@example.com, without a `+`: mailq adds that")
    if len(found[1]) > MAX_NAME:
        raise ValueError(f"may have {MAX_NAME} characters before the @: mailq adds up to {_ADDED}, and 64 are allowed")
    if len(address) > _MAX_ADDRESS - _ADDED:
        raise ValueError(f"may have {_MAX_ADDRESS - _ADDED} characters: mailq adds up to {_ADDED}")
    return address


@dataclass(frozen=True, slots=True)
class Verp:
    """Makes and reads the envelope senders of an installation.

    Attributes:
        bounce_address: as `require_bounce_address` lets it pass.
        secret: the installation's, at most 64 octets.
    """

    bounce_address: str
    secret: str

    def sender(self, mailing_id: int, seq: int) -> str:
        """The envelope sender of a delivery."""
        beginning, end, keyed = _series(self.bounce_address, self.secret, mailing_id)
        mac = keyed.copy()
        mac.update(b"%d" % seq)
        return f"{beginning}{seq}.{_letters(mac)}{end}"

    def read(self, sender: str) -> tuple[int, int] | None:
        """The (mailing, seq) of an envelope sender, in whatever case it comes back; None if it is none of ours, or forged."""
        lowered = sender.lower()
        name, _, domain = self.bounce_address.lower().rpartition("@")
        if not (lowered.startswith(f"{name}+") and lowered.endswith(f"@{domain}")):
            return None
        found = _DETAIL.fullmatch(lowered[len(name) + 1 : -len(domain) - 1])
        if found is None:
            return None
        mailing_id, seq = int(found[1], 16), int(found[2])
        ours = self.sender(mailing_id, seq).lower()
        return (mailing_id, seq) if compare_digest(ours.encode(), lowered.encode()) else None


@lru_cache(maxsize=64)
def _series(bounce_address: str, secret: str, mailing_id: int) -> tuple[str, str, blake2b]:
    """What the senders of a mailing have in common. `person` keeps the tags apart from what else the secret keys."""
    name, _, domain = bounce_address.rpartition("@")
    mailing = f"{mailing_id:x}."
    return (
        f"{name}+{mailing}",
        f"@{domain}",
        blake2b(mailing.encode(), digest_size=_TAG_OCTETS, key=secret.encode(), person=b"verp"),
    )


def _letters(mac: blake2b) -> str:
    return b32encode(mac.digest()).decode().lower()
