"""What webhooks are signed with: made at first use; a new one is added before an old one is removed, so that receivers can change."""

import secrets
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection

from mailq.core import webhook_secret
from mailq.errors import BadInput, Conflict, NotFound
from mailq.store import organizations


def of_all(tx: Connection, organization_ids: Collection[int]) -> Mapping[int, Sequence[str]]:
    """The secrets of organizations, the oldest first; one is made where there is none."""
    known = organizations.webhook_secrets(tx, organization_ids)
    for organization_id, theirs in known.items():
        if not theirs:
            organizations.add_webhook_secret(tx, organization_id, _new(), fewer_than=1)
    if all(known.values()):
        return known
    # Somebody else may have made one while we waited for the row.
    return organizations.webhook_secrets(tx, organization_ids)


def listed(tx: Connection, organization_id: int) -> Sequence[str]:
    """The secrets of an organization, as `of_all` has them."""
    return of_all(tx, [organization_id])[organization_id]


def add(tx: Connection, organization_id: int, secret: str | None = None) -> str:
    """Sign with one more.

    Args:
        secret: such as `whsec_…`; None makes one.

    Raises:
        BadInput: it is none.
        Conflict: there are as many as may be.
    """
    if secret is not None:
        try:
            webhook_secret.key_of(secret)
        except ValueError as error:
            raise BadInput(f"secret: {error}", field="secret") from None
    # What receivers verify by now stays valid.
    listed(tx, organization_id)
    added = secret or _new()
    if not organizations.add_webhook_secret(tx, organization_id, added, fewer_than=webhook_secret.MOST):
        raise Conflict(f"there are {webhook_secret.MOST} webhook secrets; remove one that no receiver needs any more")
    return added


def remove(tx: Connection, organization_id: int, secret: str) -> None:
    """Sign with this one no more.

    Raises:
        NotFound: there is no such secret.
        Conflict: it is the last one: nothing would be signed.
    """
    known = organizations.webhook_secrets(tx, [organization_id])[organization_id]
    if known == [secret]:
        raise Conflict("it is the only webhook secret; add another one first")
    if not organizations.remove_webhook_secret(tx, organization_id, secret):
        raise NotFound("there is no such webhook secret")


def _new() -> str:
    return webhook_secret.of_key(secrets.token_bytes(webhook_secret.KEY_BYTES))
