"""How many renewals this database knows of: what is compared with the marks that are kept outside it."""

from sqlalchemy import Connection, func, select, update

from mailq.core.batch import State as BatchState
from mailq.store.database import db_now
from mailq.store.tables import batch, server


def of_servers(tx: Connection) -> dict[str, int]:
    """The beat of every server, by its name."""
    return {row.name: row.beat for row in tx.execute(select(server.c.name, server.c.beat))}


def end_leases(tx: Connection) -> None:
    """End the lease of every server: those that live go on under new incarnations."""
    tx.execute(
        update(server).where(server.c.lease_until > db_now()).values(lease_until=func.least(server.c.lease_until, db_now()))
    )


def void_journals(tx: Connection) -> None:
    """Let no leased batch name a journal any more: what it says, or does not say, is of a time that the database has forgotten."""
    tx.execute(update(batch).where(batch.c.state == BatchState.LEASED, batch.c.journal.is_not(None)).values(journal=None))
