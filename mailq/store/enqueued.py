"""A mailing that is stored whole in one transaction, which may be its producer's."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, text, update

from mailq.core.mailing import State, month_of
from mailq.errors import Unavailable
from mailq.store import partitions
from mailq.store.copying import copy
from mailq.store.tables import mailing

_PENDING = (("mailing_id", "bigint"), ("batch_id", "bigint"), ("seq", "integer"), ("address", "text"), ("variables", "jsonb"))
_SKIPPED = (*_PENDING[:4], ("state", "text"), ("skip", "text"), ("reply", "text"), ("settled_at", "timestamptz"))


class StoredBatch(NamedTuple):
    """A batch whose deliveries are stored."""

    id: int
    number: int
    first_seq: int
    last_seq: int
    num_skipped: int


def require_partition(tx: Connection, now: datetime) -> str:
    """Where the deliveries of a mailing that is made now are stored: this month's partition, or `delivery` for whoever may not.

    It is made long before by a server's upkeep. To make it here would hold a lock as long as the producer's transaction goes on.

    Raises:
        Unavailable: nobody has made it.
    """
    name = partitions.name_of(month_of(now))
    statement = text("SELECT to_regclass(:name), has_table_privilege(to_regclass(:name), 'INSERT')")
    found, allowed = tx.execute(statement, {"name": name}).one()
    if found is None:
        raise Unavailable(
            f"the table {name} is missing: no worker server has run for months; start one, or run `mailqctl db upgrade`"
        )
    return name if allowed else "delivery"


def reserve_batches(tx: Connection, number: int) -> list[int]:
    """Ids for so many batches, so that deliveries can be stored before them."""
    statement = text("SELECT nextval(pg_get_serial_sequence('batch', 'id')) FROM generate_series(1, :number)")
    return [int(each) for each in tx.execute(statement, {"number": number}).scalars()]


def store_pending(tx: Connection, table: str, blocks: Iterable[bytes]) -> None:
    """Store deliveries to be sent: lines of `mailing id, batch id` and `recipients.pending_row`."""
    copy(tx, table, _PENDING, blocks)


def store_skipped(tx: Connection, table: str, lines: Sequence[str]) -> None:
    """Store deliveries that get no mail: the same, of `recipients.skipped_row`."""
    copy(tx, table, _SKIPPED, ["".join(lines).encode()])


_BATCHES = text("""
INSERT INTO batch (id, mailing_id, number, first_seq, last_seq, watermark, num_profiles, num_skipped) OVERRIDING SYSTEM VALUE
SELECT id, :mailing_id, number, first_seq, last_seq, first_seq - 1, last_seq - first_seq + 1, num_skipped
  FROM unnest(CAST(:id AS bigint[]), CAST(:number AS integer[]), CAST(:first_seq AS integer[]), CAST(:last_seq AS integer[]),
              CAST(:num_skipped AS integer[])) AS one (id, number, first_seq, last_seq, num_skipped)
""")


def store_batches(tx: Connection, mailing_id: int, batches: Sequence[StoredBatch]) -> None:
    """Store batches whose deliveries are there already."""
    columns = {name: [getattr(each, name) for each in batches] for name in StoredBatch._fields}
    tx.execute(_BATCHES, {"mailing_id": mailing_id, **columns})


def complete(tx: Connection, mailing_id: int, *, num_loaded: int, source_digest: str) -> None:
    """Note that a mailing of this transaction has all its recipients."""
    values = {
        "state": State.LOADING,
        "num_loaded": num_loaded,
        "source_digest": source_digest,
        "loaded_at": func.clock_timestamp(),
    }
    tx.execute(update(mailing).where(mailing.c.id == mailing_id).values(values))
