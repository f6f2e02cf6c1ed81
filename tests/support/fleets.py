"""Servers as the books have them."""

from mailq.store import fleet
from mailq.store.database import Database
from mailq.store.fleet import Listed
from tests.support.waiting import eventually


def seen(database: Database, name: str = "one") -> Listed:
    """How a server stands now."""
    with database.begin() as tx:
        (found,) = fleet.listed(tx, name)
    return found


def settled(database: Database, name: str = "one") -> int:
    """The incarnation of a server, when its warden is at work."""
    first = seen(database, name).standing.beat
    eventually(lambda: seen(database, name).standing.beat > first + 1, within=30)
    return seen(database, name).standing.incarnation
