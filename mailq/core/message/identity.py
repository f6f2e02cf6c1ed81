"""What makes a message the same one on every attempt: its Message-ID and its Date (RFC 5322 sections 3.6.1 and 3.6.4)."""

import re
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from hashlib import blake2b

# 80 bits: nobody guesses the Message-ID of another's message from his own.
_MAC_OCTETS = 10
_DOMAIN = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\Z", re.ASCII)


def message_id(mailing_id: int, seq: int, secret: str | bytes, domain: str) -> str:
    """The Message-ID of a delivery, with its angle brackets: a function of these four, so that a resend carries the same one.

    Args:
        secret: keys the BLAKE2 hash (RFC 7693; a tenth of what HMAC costs in OpenSSL) that makes it unguessable: at most
            64 octets, kept in the database.
        domain: the right side, ASCII (RFC 5322 `dot-atom-text`).

    Raises:
        ValueError: the domain is none.
    """
    mailing, right, keyed = _series(mailing_id, secret, domain)
    mac = keyed.copy()
    mac.update(b"%d" % seq)
    return f"{mailing}{seq}.{mac.hexdigest()}{right}"


@lru_cache(maxsize=64)
def _series(mailing_id: int, secret: str | bytes, domain: str) -> tuple[str, str, blake2b]:
    """What the Message-IDs of a mailing have in common: their beginning, their end, and the hash over the beginning."""
    if not _DOMAIN.match(domain):
        raise ValueError(f"not a domain for a Message-ID: {domain!r}")
    mailing = f"{mailing_id:x}."
    key = secret.encode() if isinstance(secret, str) else secret
    return f"<{mailing}", f"@{domain}>", blake2b(mailing.encode(), digest_size=_MAC_OCTETS, key=key)


def date_header(moment: datetime) -> str:
    """An aware moment as the Date header has it, in UTC and whole seconds.

    Raises:
        ValueError: the moment has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a Date needs an aware datetime")
    return format_datetime(moment.astimezone(UTC))
