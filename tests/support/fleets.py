"""Servers as the books have them."""

from mailq.store import fleet
from mailq.store.database import Database
from mailq.store.fleet import Listed


def seen(database: Database, name: str = "one") -> Listed:
    """How a server stands now."""
    with database.begin() as tx:
        (found,) = fleet.listed(tx, name)
    return found
