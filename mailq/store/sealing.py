"""Who of a mailing that has been loaded gets no mail after all: suppressed addresses, and those that are equal to an earlier one.

Set-based: a search for each kind, then one update of those that were found. Nobody has analysed the new rows yet, and a planner
that believes that there are few would loop over them for each of them: the statements leave it one plan each, and what is found
is joined from temporary tables, whose size it knows.
"""

from typing import NamedTuple

from sqlalchemy import Connection, TextClause, text

from mailq.core.mailing import Lane
from mailq.core.suppression import stopping
from mailq.store.address_keys import key_of

_TABLES = (
    "CREATE TEMPORARY TABLE passed_over (seq integer NOT NULL, skip text NOT NULL, reply text NOT NULL) ON COMMIT DROP",
    "CREATE TEMPORARY TABLE repeated (key bigint NOT NULL) ON COMMIT DROP",
)
# Hash joins and sorts: nothing is done once for each row. A sort of numbers is faster than a hash table of as many groups.
_WHOLE = {
    "statement_timeout": "0",
    "work_mem": "'64MB'",
    "enable_nestloop": "off",
    "enable_mergejoin": "off",
    "enable_hashagg": "off",
    "enable_hashjoin": "on",
    "enable_seqscan": "on",
}
_PROBING = {"enable_nestloop": "on", "enable_hashjoin": "off", "enable_seqscan": "off"}

# A mailing of a hundred must not read a list of millions: so many times as long, and each address is looked up in it.
_TOO_LONG = 4

_SUPPRESSIONS = text("""
SELECT count(*) FROM (
    SELECT 1 FROM suppression
     WHERE organization_id = (SELECT organization_id FROM mailing WHERE id = :mailing_id) LIMIT :most) AS listed
""")
_FIND_SUPPRESSED = text(f"""
INSERT INTO passed_over
SELECT seq, 'suppressed', 'suppressed: ' || reason FROM delivery
  JOIN suppression ON suppression.address = {key_of("delivery.address")}
   AND organization_id = (SELECT organization_id FROM mailing WHERE id = :mailing_id) AND reason = ANY(CAST(:reasons AS text[]))
 WHERE mailing_id = :mailing_id AND state = 'pending'
""")  # noqa: S608 - made of our own words
_FIND_REPEATED = text("""
INSERT INTO repeated
SELECT address_key(address) FROM delivery WHERE mailing_id = :mailing_id AND state = 'pending' GROUP BY 1 HAVING count(*) > 1
""")
# Of equal addresses the first one stays. Two addresses may share a key, and are compared whole.
_FIND_DUPLICATES = text("""
INSERT INTO passed_over
SELECT seq, 'duplicate', 'same address as recipient ' || first_seq
  FROM (SELECT seq, min(seq) OVER (PARTITION BY lower(address)) AS first_seq
          FROM delivery JOIN repeated ON key = address_key(address)
         WHERE mailing_id = :mailing_id AND state = 'pending'
           AND NOT EXISTS (SELECT FROM passed_over WHERE passed_over.seq = delivery.seq)) AS same
 WHERE seq > first_seq
""")
# The counters of the batches follow in the same statement.
_MARK = text("""
WITH marked AS (
    UPDATE delivery SET state = 'skipped', skip = passed_over.skip, reply = passed_over.reply, settled_at = now()
      FROM passed_over WHERE delivery.mailing_id = :mailing_id AND delivery.seq = passed_over.seq
    RETURNING delivery.batch_id),
counted AS (SELECT batch_id, count(*) AS number FROM marked GROUP BY batch_id)
UPDATE batch SET num_skipped = num_skipped + counted.number FROM counted
 WHERE batch.mailing_id = :mailing_id AND batch.id = counted.batch_id
""")


class PassedOver(NamedTuple):
    """How many recipients were passed over, by reason."""

    num_suppressed: int
    num_duplicates: int


_COMPLETE = "state = 'loading' AND loaded_at IS NOT NULL"


def complete(tx: Connection) -> list[int]:
    """The mailings whose recipients are all loaded, and which nobody has sealed yet, the oldest first."""
    return list(tx.execute(text(f"SELECT id FROM mailing WHERE {_COMPLETE} ORDER BY loaded_at")).scalars())  # noqa: S608


def lock_complete(tx: Connection, mailing_id: int) -> bool:
    """Lock one of them; False if somebody else has sealed it, is about to, or has ended it."""
    statement = f"SELECT id FROM mailing WHERE id = :id AND {_COMPLETE} FOR UPDATE SKIP LOCKED"  # noqa: S608
    return tx.execute(text(statement), {"id": mailing_id}).one_or_none() is not None


def pass_over(tx: Connection, mailing_id: int, *, num_loaded: int, lane: Lane = Lane.BULK, repeats: bool = False) -> PassedOver:
    """Skip the suppressed addresses of a mailing that is still loading, and of equal ones all but the first.

    May take longer than other statements, and sorts as many keys as there are: the limits of its transaction are raised.

    Args:
        lane: not every suppression keeps a mail of every lane.
        repeats: equal addresses get a mail each.
    """
    for statement in _TABLES:
        tx.execute(text(statement))
    num_suppressed = _find_suppressed(tx, mailing_id, num_loaded, lane)
    num_duplicates = 0 if repeats else _find_duplicates(tx, mailing_id)
    if num_suppressed or num_duplicates:
        tx.execute(text("ANALYZE passed_over"))
        tx.execute(_MARK, {"mailing_id": mailing_id})
    return PassedOver(num_suppressed, num_duplicates)


def _find_suppressed(tx: Connection, mailing_id: int, num_loaded: int, lane: Lane) -> int:
    most = num_loaded * _TOO_LONG
    number = int(tx.execute(_SUPPRESSIONS, {"mailing_id": mailing_id, "most": most}).scalar_one())
    _plan(tx, _WHOLE | _PROBING if number == most else _WHOLE)
    return _found(tx, _FIND_SUPPRESSED, mailing_id, reasons=[*stopping(lane)]) if number else 0


def _find_duplicates(tx: Connection, mailing_id: int) -> int:
    _plan(tx, _WHOLE)
    if not _found(tx, _FIND_REPEATED, mailing_id):
        return 0
    tx.execute(text("ANALYZE repeated, passed_over"))
    return _found(tx, _FIND_DUPLICATES, mailing_id)


def _found(tx: Connection, statement: TextClause, mailing_id: int, **facts: object) -> int:
    return tx.execute(statement, {"mailing_id": mailing_id, **facts}).rowcount


def _plan(tx: Connection, how: dict[str, str]) -> None:
    for name, value in how.items():
        tx.execute(text(f"SET LOCAL {name} = {value}"))
