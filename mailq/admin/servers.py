"""Servers, as operators see them."""

from mailq.store import fleet
from mailq.store.database import Transactions
from mailq.store.fleet import Listed

__all__ = ["Listed", "list_"]


def list_(database: Transactions) -> list[Listed]:
    """Every server that ever started: how it stands, where it is, and how many batches it holds. They belong to no organization."""
    with database.begin() as tx:
        return list(fleet.listed(tx))
