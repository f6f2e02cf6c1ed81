"""Waking the leader: it listens while it looks after the mailings, and what is committed with this reaches it at once."""

from sqlalchemy import Connection, text

CHANNEL = "mailq"


def wake(tx: Connection) -> None:
    """Tell the leader, when this transaction is committed, that there is something for it to do."""
    tx.execute(text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})
