"""Our ledger as the proof reads it: by SQL of its own, so that no function of the house vouches for itself."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, text

from mailq.local.proof.feeder import Given
from mailq.store.database import Database


class Entry(NamedTuple):
    """One delivery.

    Attributes:
        resends: how often a doubt about it was resolved by sending once more.
        doubt: why it is in doubt.
    """

    address: str
    state: str
    settled_at: datetime | None
    resends: int
    doubt: str | None = None


class Progress(NamedTuple):
    """How far the mailings of a round are; equal when nothing has happened between two looks."""

    num_unfinished: int
    num_in_doubt: int
    num_settled: int


_ENTRIES = text("""
    SELECT delivery.address, delivery.state, delivery.settled_at, coalesce(resent.num, 0), delivery.doubt
      FROM delivery LEFT JOIN (
           SELECT mailing_id, seq, count(*) AS num FROM audit
            WHERE action = 'doubt.resolve' AND details->>'verdict' = 'resend' AND actor <> 'journal' AND mailing_id = ANY(:mailings)
            GROUP BY mailing_id, seq) AS resent USING (mailing_id, seq)
     WHERE delivery.mailing_id = ANY(:mailings)
""")
_EVERYTHING = text("SELECT * FROM delivery WHERE mailing_id = ANY(:mailings) ORDER BY mailing_id, seq")
_UNBALANCED = text("""
    SELECT count(*) FROM batch LEFT JOIN (
           SELECT mailing_id, batch_id, count(*) AS profiles,
                  count(*) FILTER (WHERE state = 'sent') AS sent, count(*) FILTER (WHERE state = 'error') AS errors,
                  count(*) FILTER (WHERE state = 'skipped') AS skipped, count(*) FILTER (WHERE state = 'deferred') AS deferred,
                  count(*) FILTER (WHERE state = 'in_doubt') AS in_doubt, count(*) FILTER (WHERE state = 'pending') AS pending
             FROM delivery WHERE mailing_id = ANY(:mailings) GROUP BY mailing_id, batch_id) AS counted
        ON counted.mailing_id = batch.mailing_id AND counted.batch_id = batch.id
     WHERE batch.mailing_id = ANY(:mailings)
       AND (num_profiles, num_sent, num_errors, num_skipped, num_deferred, num_in_doubt)
           IS DISTINCT FROM (profiles, sent, errors, skipped, deferred, in_doubt)
        OR batch.mailing_id = ANY(:mailings) AND batch.state = 'finished' AND counted.pending + counted.deferred > 0
""")
_PROGRESS = text("""
    SELECT (SELECT count(*) FROM mailing WHERE id = ANY(:mailings) AND state <> 'finished')
           + count(*) FILTER (WHERE state <> 'finished'),
           coalesce(sum(num_in_doubt), 0), coalesce(sum(num_sent + num_errors + num_skipped), 0)
      FROM batch WHERE mailing_id = ANY(:mailings)
""")
_STANDING = text("""
    SELECT batch.state, coalesce(batch.owner, '-'), count(*), min(batch.due_at), max(batch.progressed_at)
      FROM batch WHERE mailing_id = ANY(:mailings) AND state <> 'finished' GROUP BY 1, 2 ORDER BY 1, 2
""")
_SERVERS = text(
    "SELECT name, incarnation, state, lease_until > clock_timestamp(), clock_timestamp() - renewed_at FROM server ORDER BY 1"
)

_BEHIND = text("SELECT behind_since, behind_why FROM installation WHERE behind_since IS NOT NULL")


def entries(tx: Connection, given: Sequence[Given]) -> Iterator[Entry]:
    """Every delivery of these mailings, streamed."""
    tx.execute(text("SET LOCAL statement_timeout = '5min'"))
    with tx.execute(_ENTRIES.execution_options(yield_per=2000), _of(given)) as rows:
        for row in rows:
            yield Entry(*row)


def all_columns(tx: Connection, given: Sequence[Given]) -> Iterator[Sequence[object]]:
    """Every delivery of these mailings with all that is known of it, the names of the columns first."""
    with tx.execute(_EVERYTHING.execution_options(yield_per=2000), _of(given)) as rows:
        yield list(rows.keys())
        for row in rows:
            yield list(row)


def num_unbalanced(tx: Connection, given: Sequence[Given]) -> int:
    """Batches whose counters differ from a recount, or that are finished with mail left to send."""
    return int(tx.execute(_UNBALANCED, _of(given)).scalar_one())


def progress(database: Database, given: Sequence[Given]) -> Progress:
    """How far these mailings are.

    Raises:
        Unavailable: the database is away.
    """
    with database.begin() as tx:
        return Progress(*(int(value) for value in tx.execute(_PROGRESS, _of(given)).one()))


def standstill(database: Database, given: Sequence[Given]) -> list[str]:
    """What is known about mailings that do not end: a line per kind of batch, and per server."""
    with database.begin() as tx:
        batches = [
            f"{row[2]} batches {row[0]}, owner {row[1]}, due {row[3]}, progressed {row[4]}"
            for row in tx.execute(_STANDING, _of(given))
        ]
        servers = [
            f"{row[0]} incarnation {row[1]} is {row[2]}, its lease {'holds' if row[3] else 'has run out'}, renewed {row[4]} ago"
            for row in tx.execute(_SERVERS)
        ]
        behind = [f"nothing is sent since {row[0]}: {row[1]}" for row in tx.execute(_BEHIND)]
    return [*batches, *servers, *behind]


def _of(given: Sequence[Given]) -> dict[str, list[int]]:
    return {"mailings": [each.mailing_id for each in given]}
