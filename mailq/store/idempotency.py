"""Requests that were answered: the same request again gets the same answer. A row lives as long as the mailing it is about."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or

from mailq.errors import Conflict
from mailq.store.tables import idempotency


class Answered(NamedTuple):
    """A request that was made with a key, and its answer."""

    mailing_id: int
    digest: str
    answer: Mapping[str, Any]


def claim(tx: Connection, organization_id: int, key: str, *, mailing_id: int, digest: str) -> Answered | None:
    """Take a key for a request that is to be answered in this transaction; or what was answered to whoever took it before.

    Waits for a transaction that is just answering one of the same key.

    Raises:
        Conflict: whoever took it is gone with his mailing, just now.
    """
    taken = {"organization_id": organization_id, "key": key, "mailing_id": mailing_id, "digest": digest, "answer": {}}
    if tx.execute(insert_or(idempotency).values(**taken).on_conflict_do_nothing()).rowcount == 1:
        return None
    columns = [idempotency.c[name] for name in Answered._fields]
    row = tx.execute(select(*columns).where(*_mine(organization_id, key))).one_or_none()
    if row is None:
        raise Conflict(f"the mailing of the key `{key}` has just been deleted; ask again")
    return Answered._make(row)


def note_answer(tx: Connection, organization_id: int, key: str, answer: Mapping[str, Any]) -> None:
    """Keep what is answered."""
    tx.execute(update(idempotency).where(*_mine(organization_id, key)).values(answer=dict(answer)))


def _mine(organization_id: int, key: str) -> Any:
    return idempotency.c.organization_id == organization_id, idempotency.c.key == key
