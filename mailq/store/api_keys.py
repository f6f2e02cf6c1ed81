"""Keys of the HTTP API: made, found, revoked. A secret never comes here, only its digest."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, and_, insert, or_, select, update

from mailq.core.api_key import Scope
from mailq.store.database import db_now
from mailq.store.tables import api_key, organization


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be made; see the columns of `api_key`."""

    public_id: str
    secret_digest: str
    name: str
    scopes: frozenset[Scope]
    rate_per_s: int | None = None
    expires_at: datetime | None = None


class Listed(NamedTuple):
    """A key as an operator sees it."""

    public_id: str
    organization: str
    name: str
    scopes: tuple[Scope, ...]
    rate_per_s: int | None
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None


class Known(NamedTuple):
    """A key as whoever checks one must know it.

    Attributes:
        expired: by the database's clock.
        unnoted: whether its last use was noted too long ago.
    """

    id: int
    secret_digest: str
    organization_id: int
    organization: str
    scopes: frozenset[Scope]
    rate_per_s: int | None
    revoked: bool
    expired: bool
    unnoted: bool


def create(tx: Connection, organization_id: int, new: NewKey) -> None:
    """Make a key of an organization."""
    values = {name: getattr(new, name) for name in new.__slots__} | {"scopes": sorted(new.scopes)}
    tx.execute(insert(api_key).values(organization_id=organization_id, **values))


def find(tx: Connection, public_id: str, *, noted_within: timedelta, now: datetime | None = None) -> Known | None:
    """A key by its public id."""
    moment = db_now(now)
    statement = (
        select(
            api_key.c.id,
            api_key.c.secret_digest,
            api_key.c.organization_id,
            organization.c.name.label("organization"),
            api_key.c.scopes,
            api_key.c.rate_per_s,
            api_key.c.revoked_at.is_not(None).label("revoked"),
            and_(api_key.c.expires_at.is_not(None), api_key.c.expires_at <= moment).label("expired"),
            or_(api_key.c.last_used_at.is_(None), api_key.c.last_used_at < moment - noted_within).label("unnoted"),
        )
        .join(organization, organization.c.id == api_key.c.organization_id)
        .where(api_key.c.public_id == public_id)
    )
    row = tx.execute(statement).one_or_none()
    return None if row is None else Known._make(row)._replace(scopes=_scopes(row.scopes))


def note_use(tx: Connection, key_id: int, *, now: datetime | None = None) -> None:
    """Note that a key is used, unless somebody else is just noting it."""
    unlocked = select(api_key.c.id).where(api_key.c.id == key_id).with_for_update(skip_locked=True).scalar_subquery()
    tx.execute(update(api_key).where(api_key.c.id == unlocked).values(last_used_at=db_now(now)))


def revoke(tx: Connection, public_id: str, *, organization_id: int | None = None) -> bool | None:
    """Let a key be good for nothing from now on: whether it was good before; None if there is no such key of the organization."""
    mine = [api_key.c.public_id == public_id]
    if organization_id is not None:
        mine.append(api_key.c.organization_id == organization_id)
    before = tx.execute(select(api_key.c.revoked_at).where(*mine).with_for_update()).one_or_none()
    if before is None:
        return None
    if before.revoked_at is None:
        tx.execute(update(api_key).where(*mine).values(revoked_at=db_now()))
    return before.revoked_at is None


def listed(tx: Connection, *, organization_id: int | None = None) -> list[Listed]:
    """Keys of one organization or of all, the newest first; those that are good no more too."""
    statement = (
        select(*(organization.c.name if name == "organization" else api_key.c[name] for name in Listed._fields))
        .join(organization, organization.c.id == api_key.c.organization_id)
        .order_by(api_key.c.id.desc())
    )
    if organization_id is not None:
        statement = statement.where(api_key.c.organization_id == organization_id)
    return [Listed._make(row)._replace(scopes=tuple(sorted(_scopes(row.scopes)))) for row in tx.execute(statement)]


def _scopes(words: Iterable[str]) -> frozenset[Scope]:
    return frozenset(map(Scope, words))
