"""The audit: who decided what about a delivery or a server, and when. Only ever added to."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select

from mailq.store.tables import audit


class Entry(NamedTuple):
    """One thing that was decided. `details` are the facts that went with it."""

    at: datetime
    actor: str
    action: str
    details: Mapping[str, Any]


def note(
    tx: Connection,
    *,
    actor: str,
    action: str,
    mailing_id: int | None = None,
    seq: int | None = None,
    server: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Note one decision, in the transaction that carries it out.

    Args:
        actor: `user@host` of an operator, or `policy`, `journal`, `postfix_log`.
        action: what was done, such as `doubt.resolve`.
        server: the name of the server it is about.
    """
    facts = {"mailing_id": mailing_id, "seq": seq, "server": server, "details": dict(details or {})}
    tx.execute(insert(audit).values(actor=actor, action=action, **facts))


def note_deliveries(
    tx: Connection, mailing_id: int, noted: Iterable[tuple[int, Mapping[str, Any]]], *, actor: str, action: str
) -> None:
    """Note the same decision about deliveries of a mailing, given as (seq, details)."""
    common = {"actor": actor, "action": action, "mailing_id": mailing_id}
    rows = [{**common, "seq": seq, "details": dict(details)} for seq, details in noted]
    if rows:
        tx.execute(insert(audit), rows)


def of_delivery(tx: Connection, mailing_id: int, seq: int) -> list[Entry]:
    """What was decided about a delivery, the oldest first."""
    columns = (audit.c.at, audit.c.actor, audit.c.action, audit.c.details)
    statement = select(*columns).where(audit.c.mailing_id == mailing_id, audit.c.seq == seq).order_by(audit.c.id)
    return [Entry._make(row) for row in tx.execute(statement)]
