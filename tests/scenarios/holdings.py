"""Who holds what, for the moments that scenarios wait for."""

from sqlalchemy import text


def held_by(database, server, process=None):
    """How many batches are leased to a server, or to one of its processes."""
    joined = "SELECT count(*) FROM batch JOIN server ON server.id = batch.server_id"
    statement = f"{joined} WHERE server.name = :server AND batch.owner LIKE :owner"
    with database.begin() as tx:
        return tx.execute(text(statement), {"server": server, "owner": f"%/{process or '%'}"}).scalar_one()


def incarnation(database, server):
    """The latest start of a server."""
    with database.begin() as tx:
        return tx.execute(text("SELECT incarnation FROM server WHERE name = :server"), {"server": server}).scalar_one()


def beat(database, server):
    """How often it has renewed its lease, its starts included: more than those once its warden is at work."""
    with database.begin() as tx:
        return tx.execute(text("SELECT beat FROM server WHERE name = :server"), {"server": server}).scalar_one()


def at_work(database, *servers):
    """Whether the wardens of these servers renew."""
    return all(beat(database, server) > 1 for server in servers)


def reasons_of_doubt(database, posted):
    """Why deliveries of a mailing are in doubt, by address."""
    statement = text("SELECT address, doubt FROM delivery WHERE mailing_id = :mailing AND state = 'in_doubt'")
    with database.begin() as tx:
        return {row.address: row.doubt for row in tx.execute(statement, {"mailing": posted.mailing_id})}
