"""Old months on their way out of the ledger. First their mailings go, each with its batches; then the partition goes in one piece.

A mailing is there whole or not at all: what is left of its deliveries until the partition goes is nobody's, and no view shows it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, select, text
from sqlalchemy.exc import OperationalError

from mailq.core.mailing import month_of
from mailq.errors import Conflict
from mailq.store import inbox, partitions
from mailq.store.database import db_now

_LOCK_NOT_AVAILABLE = "55P03"
_LONGEST = "30min"


@dataclass(frozen=True, slots=True)
class Month:
    """A month of mailings, by the month they were submitted in.

    Attributes:
        number: as `month_of` has it.
        num_unfinished: mailings that may still be worked: not ended, or with a batch that is not.
        num_in_doubt: deliveries of which nobody has said yet what became of them.
        size_bytes: of its partition with its indexes.
    """

    number: int
    num_mailings: int
    num_profiles: int
    num_unfinished: int
    num_in_doubt: int
    size_bytes: int

    @property
    def name(self) -> str:
        """`2026-11`."""
        return f"{self.number // 12:04d}-{self.number % 12 + 1:02d}"

    @property
    def kept_because(self) -> str | None:
        """What forbids to drop it; None if nothing does."""
        if self.num_unfinished:
            return f"{self.num_unfinished:,} of its mailings have not ended"
        if self.num_in_doubt:
            return f"{self.num_in_doubt:,} of its deliveries are in doubt"
        return None


# By ranges of ids, which carry the month: nothing is read of other months, and of deliveries nothing at all.
_FACTS = text("""
SELECT (SELECT count(*) FROM mailing WHERE id >= :first AND id < :behind) AS num_mailings,
       (SELECT count(*) FROM mailing
         WHERE id >= :first AND id < :behind
           AND (state NOT IN ('finished', 'cancelled', 'expired')
                OR EXISTS (SELECT FROM batch WHERE batch.mailing_id = mailing.id AND batch.state IN ('ready', 'leased', 'waiting')))
       ) AS num_unfinished,
       sums.num_profiles, sums.num_in_doubt, coalesce(pg_total_relation_size(to_regclass(:partition)), 0) AS size_bytes
  FROM (SELECT coalesce(sum(num_profiles), 0) AS num_profiles, coalesce(sum(num_in_doubt), 0) AS num_in_doubt
          FROM batch WHERE mailing_id >= :first AND mailing_id < :behind) AS sums
""")
_PARTITIONS = text(
    "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'delivery'::regclass"
)


def this_month(tx: Connection, *, now: datetime | None = None) -> int:
    """The month of the database's clock."""
    return month_of(tx.execute(select(db_now(now))).scalar_one())


def months(tx: Connection, *, before: int) -> list[Month]:
    """The months before this one that have a partition, the oldest first."""
    found = sorted(filter(None, (partitions.month_by_name(str(name)) for name in tx.execute(_PARTITIONS).scalars())))
    return [look(tx, number) for number in found if number < before]


def look(tx: Connection, number: int) -> Month:
    """A month as it stands."""
    row: Row[tuple[int, ...]] = tx.execute(_FACTS, _range(number) | {"partition": partitions.name_of(number)}).one()
    return Month(number, row.num_mailings, int(row.num_profiles), row.num_unfinished, int(row.num_in_doubt), row.size_bytes)


_LOCK = text("""
SELECT id FROM mailing WHERE id >= :first AND id < :behind ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
""")
_STILL_NEEDED = text("""
SELECT public_id FROM mailing
 WHERE id = ANY(CAST(:ids AS bigint[]))
   AND (state NOT IN ('finished', 'cancelled', 'expired')
        OR EXISTS (SELECT FROM batch
                    WHERE batch.mailing_id = mailing.id AND (batch.state IN ('ready', 'leased', 'waiting') OR num_in_doubt > 0)))
 LIMIT 1
""")
_DELETE_BATCHES = text("DELETE FROM batch WHERE mailing_id = ANY(CAST(:ids AS bigint[]))")
_DELETE_MAILINGS = text("DELETE FROM mailing WHERE id = ANY(CAST(:ids AS bigint[]))")


def delete_mailings(tx: Connection, number: int, *, limit: int) -> int:
    """Delete up to `limit` mailings of a month with their batches, and leave those alone that somebody else has locked; how many.

    Raises:
        Conflict: one of them may still be worked, or has deliveries in doubt; roll back.
    """
    ids = list(tx.execute(_LOCK, _range(number) | {"limit": limit}).scalars())
    if not ids:
        return 0
    kept = needed(tx, ids)
    if kept is not None:
        raise Conflict(f"mailing {kept} has not ended or has deliveries in doubt: its month is kept")
    tx.execute(text(f"SET LOCAL statement_timeout = '{_LONGEST}'"))
    inbox.forget(tx, ids)
    tx.execute(_DELETE_BATCHES, {"ids": ids})
    tx.execute(_DELETE_MAILINGS, {"ids": ids})
    return len(ids)


def needed(tx: Connection, mailing_ids: Sequence[int]) -> str | None:
    """One of these mailings that may still be worked or has deliveries in doubt, by its public id; None if there is none.

    The caller has locked their rows in a statement before, so that nobody opens one again.
    """
    found: str | None = tx.execute(_STILL_NEEDED, {"ids": list(mailing_ids)}).scalar_one_or_none()
    return found


def drop(tx: Connection, number: int) -> bool:
    """Drop the partition of a month that has no mailings any more; whether that was so. One that is gone already is no mistake.

    Raises:
        Conflict: somebody is reading deliveries, and all sending would wait behind us while we wait for him; try again later.
    """
    if tx.execute(text("SELECT FROM mailing WHERE id >= :first AND id < :behind LIMIT 1"), _range(number)).first() is not None:
        return False
    tx.execute(text("SET LOCAL lock_timeout = '500ms'"))
    try:
        tx.execute(text(f"DROP TABLE IF EXISTS {partitions.name_of(number)}"))
    except OperationalError as error:
        if getattr(error.orig, "pgcode", None) != _LOCK_NOT_AVAILABLE:
            raise
        raise Conflict("somebody reads deliveries, in an export perhaps, and sending must not wait for him: try again") from error
    tx.execute(text("SET LOCAL lock_timeout = 0"))
    return True


def _range(number: int) -> dict[str, int]:
    first, behind = partitions.bounds(number)
    return {"first": first, "behind": behind}
