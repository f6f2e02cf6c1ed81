"""The one row about this installation of mailq."""

from sqlalchemy import Connection, select, update

from mailq.store.tables import installation


def secret(tx: Connection) -> str:
    """The key of this installation's Message-IDs."""
    return str(tx.execute(select(installation.c.secret)).scalar_one())


def note_generation(tx: Connection, generation: str) -> bool:
    """Remember the generation of the broker's data; whether it is another one than before."""
    known = installation.c.doorbell_generation
    statement = update(installation).where(known.is_distinct_from(generation)).values(doorbell_generation=generation)
    return tx.execute(statement).rowcount == 1
