"""How many renewals this database knows of: what is compared with the marks that are kept outside it."""

from sqlalchemy import Connection, select

from mailq.store.tables import server


def of_servers(tx: Connection) -> dict[str, int]:
    """The beat of every server, by its name."""
    return {row.name: row.beat for row in tx.execute(select(server.c.name, server.c.beat))}
