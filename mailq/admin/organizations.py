"""Organizations: made and listed by operators."""

import secrets

from mailq.admin.words import require_readable
from mailq.core.ids import public_id
from mailq.errors import Conflict
from mailq.store import organizations
from mailq.store.database import Transactions
from mailq.store.organizations import Organization

__all__ = ["Organization", "create", "find", "list_"]


def create(database: Transactions, name: str) -> Organization:
    """Make an organization.

    Raises:
        BadInput: it has a name that nobody could read.
        Conflict: there is one of this name.
    """
    require_readable("name", name)
    with database.begin() as tx:
        made = organizations.create(tx, public_id("org", secrets.token_bytes(10)), name)
    if made is None:
        raise Conflict(f"there is an organization `{name}` already")
    return made


def find(database: Transactions, name: str) -> int:
    """The inner id of an organization, as the other functions here take it.

    Raises:
        NotFound: there is none of this name.
    """
    with database.begin() as tx:
        return organizations.id_of(tx, name)


def list_(database: Transactions) -> list[Organization]:
    """All of them, in the order of their names."""
    with database.begin() as tx:
        return organizations.listed(tx)
