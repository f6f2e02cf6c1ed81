"""Maintenance, as operators begin, end and see it."""

from mailq.engine.maintenance import off, on
from mailq.store import maintenance
from mailq.store.database import Transactions
from mailq.store.maintenance import Maintenance

__all__ = ["Maintenance", "off", "on", "status"]


def status(database: Transactions) -> Maintenance | None:
    """Since when everything is accepted and nothing is processed, by whose word and why; None when all is as ever."""
    with database.begin() as tx:
        return maintenance.standing(tx)
