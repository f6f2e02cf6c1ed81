"""The secrets that webhooks of an organization are signed with: shown to who asks, added, taken away, and never in a log."""

import hashlib
from dataclasses import dataclass, field

from sqlalchemy import Connection

from mailq.engine.calls import webhook_secrets
from mailq.errors import NotFound
from mailq.store import audit, organizations
from mailq.store.database import Transactions

__all__ = ["Secret", "add", "list_", "remove"]

_ID_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Secret:
    """One of them.

    Attributes:
        id: what it is called by; it tells nothing of it.
        secret: as receivers need it, `whsec_…`.
    """

    id: str
    secret: str = field(repr=False)


def list_(database: Transactions, organization: str) -> list[Secret]:
    """The secrets of an organization, the oldest first; one is made where there is none.

    Raises:
        NotFound: there is no such organization.
    """
    with database.begin() as tx:
        return [_named(each) for each in webhook_secrets.listed(tx, organizations.id_of(tx, organization))]


def add(database: Transactions, organization: str, secret: str | None = None, *, actor: str) -> Secret:
    """Sign with one more; receivers may know any of them.

    Args:
        secret: one that receivers have already; None makes one.
        actor: who says so, for the audit.

    Raises:
        NotFound: there is no such organization.
        BadInput: it is no secret.
        Conflict: there are as many as may be.
    """
    with database.begin() as tx:
        added = _named(webhook_secrets.add(tx, organizations.id_of(tx, organization), secret))
        _note(tx, "webhook_secret.add", organization, added, actor)
    return added


def remove(database: Transactions, organization: str, id_: str, *, actor: str) -> None:
    """Sign with one no more.

    Args:
        id_: what it is called by.
        actor: who says so, for the audit.

    Raises:
        NotFound: there is no such organization or secret.
        Conflict: it is the only one.
    """
    with database.begin() as tx:
        whose = organizations.id_of(tx, organization)
        found = next((each for each in map(_named, webhook_secrets.listed(tx, whose)) if each.id == id_), None)
        if found is None:
            raise NotFound(
                f"organization {organization} has no webhook secret `{id_}`",
                listing=f"organization webhook-secret show {organization}",
            )
        webhook_secrets.remove(tx, whose, found.secret)
        _note(tx, "webhook_secret.remove", organization, found, actor)


def _note(tx: Connection, action: str, organization: str, secret: Secret, actor: str) -> None:
    audit.note(tx, actor=actor, action=action, details={"organization": organization, "secret": secret.id})


def _named(secret: str) -> Secret:
    return Secret(hashlib.sha256(secret.encode()).hexdigest()[:_ID_DIGITS], secret)
