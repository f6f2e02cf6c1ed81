"""A mailing's batches beside a recount of their deliveries: in one statement, and so of one moment."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, func, select, text

from mailq.core.batch import State
from mailq.core.verification import COUNTERS, BatchCheck
from mailq.store.tables import batch

_LONGEST = "30min"
_ROWS_AT_A_TIME = 500

# The recount is one pass over the mailing's deliveries, and groups as many rows as it has batches.
_RECOUNT = """
SELECT batch_id AS found_id, count(*) AS num_profiles, min(seq) AS first_seq, max(seq) AS last_seq,
       count(*) FILTER (WHERE state = 'pending') AS num_pending, count(*) FILTER (WHERE state = 'deferred') AS num_deferred,
       count(*) FILTER (WHERE state = 'sent') AS num_sent, count(*) FILTER (WHERE state = 'error') AS num_errors,
       count(*) FILTER (WHERE state = 'skipped') AS num_skipped, count(*) FILTER (WHERE state = 'in_doubt') AS num_in_doubt
  FROM delivery WHERE mailing_id = :mailing_id GROUP BY batch_id
"""
_BATCHES = text(f"""
SELECT kept.*, found.found_id, found.first_seq AS found_first_seq, found.last_seq AS found_last_seq,
       {", ".join(f"coalesce(found.{name}, 0) AS counted_{name}" for name in COUNTERS)}
  FROM (SELECT *, num_profiles - num_deferred - num_sent - num_errors - num_skipped - num_in_doubt AS num_pending
          FROM batch WHERE mailing_id = :mailing_id) AS kept
  FULL JOIN ({_RECOUNT}) AS found ON found.found_id = kept.id
 ORDER BY kept.number NULLS LAST
""")  # noqa: S608 - made of our own names
_DIFFERING = text(f"""
SELECT kept.number
  FROM (SELECT *, num_profiles - num_deferred - num_sent - num_errors - num_skipped - num_in_doubt AS num_pending
          FROM batch WHERE mailing_id = :mailing_id) AS kept
  FULL JOIN ({_RECOUNT}) AS found ON found.found_id = kept.id
 WHERE ({", ".join(f"kept.{name}" for name in COUNTERS)}) IS DISTINCT FROM ({", ".join(f"found.{name}" for name in COUNTERS)})
 ORDER BY kept.number NULLS LAST LIMIT 1
""")  # noqa: S608 - made of our own names


def of_one_moment(tx: Connection) -> None:
    """Let a transaction see one moment, whatever is committed meanwhile. Its first statement."""
    tx.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))


def num_deliveries(tx: Connection) -> int:
    """How many deliveries there are of all mailings, by the books."""
    return int(tx.execute(select(func.coalesce(func.sum(batch.c.num_profiles), 0))).scalar_one())


def batches(tx: Connection, mailing_id: int) -> Iterator[BatchCheck]:
    """Every batch of a mailing beside its deliveries, in the order of their numbers; last the deliveries without a batch."""
    tx.execute(text(f"SET LOCAL statement_timeout = '{_LONGEST}'"))
    with tx.execute(_BATCHES.execution_options(yield_per=_ROWS_AT_A_TIME), {"mailing_id": mailing_id}) as rows:
        for row in rows:
            yield _check(row)


def first_differing(tx: Connection, mailing_id: int) -> str | None:
    """The first batch whose counters are not what its deliveries say, in words; None if there is none. Locks nothing."""
    tx.execute(text(f"SET LOCAL statement_timeout = '{_LONGEST}'"))
    row = tx.execute(_DIFFERING, {"mailing_id": mailing_id}).one_or_none()
    if row is None:
        return None
    return "deliveries of a batch that is not there" if row.number is None else f"batch {row.number}"


def _check(row: Row[Any]) -> BatchCheck:
    there, found = row.id is not None, row.found_id is not None
    return BatchCheck(
        number=row.number,
        state=State(row.state) if there else None,
        kept={name: getattr(row, name) if there else 0 for name in COUNTERS},
        counted={name: getattr(row, f"counted_{name}") for name in COUNTERS},
        span=(row.first_seq, row.last_seq) if there else None,
        found_span=(row.found_first_seq, row.found_last_seq) if found else None,
    )
