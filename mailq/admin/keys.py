"""Keys of the HTTP API: made, shown once, checked at every request, revoked."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mailq.admin.words import require_readable
from mailq.core import api_key
from mailq.core.api_key import ApiKey, Scope
from mailq.errors import BadInput, MailqError, NotFound
from mailq.store import api_keys, organizations
from mailq.store.api_keys import Listed, NewKey
from mailq.store.database import Transactions, moment

__all__ = ["Created", "Identity", "Listed", "Refused", "Scope", "authenticate", "create", "list_", "revoke"]

NOTED_WITHIN = timedelta(minutes=1)
"""The last use of a key is noted to this much: a write for each request would cost more than most requests."""

_HIGHEST_RATE = 1_000_000


class Refused(MailqError):
    """A key is good for nothing; the reason may be told to whoever presented it."""

    exit_code = 77


@dataclass(frozen=True, slots=True)
class Created:
    """A new key. `key` is shown once and kept nowhere."""

    public_id: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who presented a key, and what it allows.

    Attributes:
        key_id: its public id, fit for logs.
        scopes: all that is allowed: `admin` comes with the others.
        rate_per_s: requests a second; None takes the setting.
    """

    organization_id: int
    organization: str
    key_id: str
    scopes: frozenset[Scope]
    rate_per_s: int | None = None


def create(
    database: Transactions,
    organization: str,
    name: str,
    scopes: Iterable[str],
    *,
    rate_per_s: int | None = None,
    expires_at: datetime | None = None,
) -> Created:
    """Make a key of an organization.

    Raises:
        BadInput: a name that nobody could read, a scope that is none, a rate below 1, or a time that is past.
        NotFound: there is no such organization.
    """
    require_readable("name", name)
    allowed = _scopes(scopes)
    if rate_per_s is not None and not 1 <= rate_per_s <= _HIGHEST_RATE:
        raise BadInput(f"a rate is 1 to {_HIGHEST_RATE:,} requests a second", field="rate_per_s")
    if expires_at is not None and expires_at.tzinfo is None:
        raise BadInput("the expiry time needs a time zone, such as 2026-12-24T18:00+01:00", field="expires_at")
    made = ApiKey.made_of(secrets.token_bytes(api_key.PUBLIC_BYTES), secrets.token_bytes(api_key.SECRET_BYTES))
    with database.begin() as tx:
        if expires_at is not None and expires_at <= moment(tx):
            raise BadInput("the key would have expired before it is made", field="expires_at")
        new = NewKey(made.public_id, made.digest, name, allowed, rate_per_s, expires_at)
        api_keys.create(tx, organizations.id_of(tx, organization), new)
    return Created(made.public_id, made.written)


def authenticate(database: Transactions, presented: str) -> Identity:
    """Who presents a key. What is no key is refused without asking the database; that it was used is noted, to a minute.

    Raises:
        Refused: it is no key, unknown, revoked or expired. Only who knows the secret is told which of the last two.
    """
    shown = api_key.read(presented)
    if shown is None:
        raise Refused("this is no API key: it is cut off or mistyped")
    with database.begin() as tx:
        known = api_keys.find(tx, shown.public_id, noted_within=NOTED_WITHIN)
        if known is None or not shown.fits(known.secret_digest):
            raise Refused("this API key is not known here")
        if known.revoked or known.expired:
            raise Refused(f"this API key {'was revoked' if known.revoked else 'has expired'}")
        if known.unnoted:
            api_keys.note_use(tx, known.id)
    return Identity(
        known.organization_id, known.organization, shown.public_id, api_key.allowed_by(known.scopes), known.rate_per_s
    )


def revoke(database: Transactions, organization_id: int | None, public_id: str) -> bool:
    """Let a key be good for nothing from now on; False if it was so already.

    Args:
        public_id: the key's, with or without `mq_` before it.

    Raises:
        NotFound: there is no such key of the organization.
    """
    with database.begin() as tx:
        revoked = api_keys.revoke(tx, public_id.removeprefix("mq_"), organization_id=organization_id)
    if revoked is None:
        raise NotFound(f"there is no key `{public_id}`; `mailqctl key list` shows what there is")
    return revoked


def list_(database: Transactions, organization_id: int | None) -> list[Listed]:
    """Keys, the newest first, without their secrets."""
    with database.begin() as tx:
        return api_keys.listed(tx, organization_id=organization_id)


def _scopes(words: Iterable[str]) -> frozenset[Scope]:
    try:
        scopes = frozenset(map(Scope, words))
    except ValueError:
        scopes = frozenset()
    if not scopes:
        raise BadInput(f"a key has one or more of the scopes {', '.join(f'`{scope}`' for scope in Scope)}", field="scopes")
    return scopes
