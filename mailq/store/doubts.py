"""Deliveries in doubt: found by the partial index of batches that have some, and settled a batch at a time.

Order of locks: batch, deliveries, mailing. A doubt may be settled while its batch is leased: what becomes pending is stamped
with the batch's fence, so that the holder neither works it in this pass nor counts it as open.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, func, select, text, update

from mailq.core.batch import State as BatchState
from mailq.core.delivery import NEXT, State
from mailq.core.outcome import Doubt
from mailq.core.transitions import require
from mailq.errors import BooksDiffer, NotFound
from mailq.store.tables import batch

_ROWS_AT_A_TIME = 2000
_LONGEST_COUNT = "5min"


class Doubtful(NamedTuple):
    """A delivery in doubt. `since` is when it was settled so; `relay` is None where nobody noted it."""

    seq: int
    address: str
    reason: Doubt
    relay: str | None
    since: datetime


class Listed(NamedTuple):
    """A delivery in doubt and its mailing: `mailing` is the public id."""

    mailing: str
    mailing_id: int
    batch_id: int
    seq: int
    address: str
    reason: str
    relay: str | None
    since: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class Locked:
    """A batch whose row this transaction has locked."""

    batch_id: int
    mailing_id: int
    state: BatchState
    fence: int
    first_seq: int
    last_seq: int


class Found(NamedTuple):
    """A delivery in whatever state, with the batch it is in."""

    seq: int
    address: str
    batch_id: int
    state: str
    attempts: int
    relay: str | None
    reply: str | None
    doubt: str | None
    skip: str | None
    due_at: datetime | None
    settled_at: datetime | None


class Resolved(NamedTuple):
    """What a delivery in doubt becomes (`sent`, `error`, or `pending` again), and what its reply is from now on."""

    seq: int
    to: State
    reply: str | None


# Lateral: each batch reads its own run of the primary key, however large its mailing is.
_OF_BATCHES = """
  FROM batch
  JOIN mailing ON mailing.id = batch.mailing_id
 CROSS JOIN LATERAL (
       SELECT * FROM delivery
        WHERE delivery.mailing_id = batch.mailing_id AND seq BETWEEN batch.first_seq AND batch.last_seq AND state = 'in_doubt'
          AND (CAST(:reason AS text) IS NULL OR doubt = :reason)
        ORDER BY seq) AS one
 WHERE batch.num_in_doubt > 0 AND (CAST(:mailing_id AS bigint) IS NULL OR batch.mailing_id = :mailing_id)
   AND (CAST(:organization_id AS bigint) IS NULL OR mailing.organization_id = :organization_id)
"""
_LIST = text(f"""
SELECT mailing.public_id, mailing.id, batch.id, one.seq, one.address, one.doubt, coalesce(one.relay, batch.relay), one.settled_at,
       one.attempts
{_OF_BATCHES}
   AND (CAST(:after_mailing AS bigint) IS NULL OR (batch.mailing_id, one.seq) > (:after_mailing, :after_seq))
 ORDER BY batch.mailing_id, one.seq LIMIT :limit
""")
_COUNT = text(f"SELECT count(*) {_OF_BATCHES}")


_BY_SEQ = text("SELECT delivery.* FROM delivery WHERE mailing_id = :mailing_id AND seq = ANY(CAST(:seqs AS bigint[]))")
# Found in the index by its key, and then compared: two addresses may have one key. Lower case is that of bytes.
_BY_ADDRESS = text("""
SELECT DISTINCT ON (asked.address) asked.address AS asked, delivery.*
  FROM unnest(CAST(:addresses AS text[])) AS asked (address)
  JOIN delivery ON delivery.mailing_id = :mailing_id AND address_key(delivery.address) = address_key(asked.address)
   AND lower(delivery.address) = lower(asked.address COLLATE "C")
 ORDER BY asked.address, delivery.state <> 'in_doubt', delivery.seq
""")


def listed(
    tx: Connection,
    *,
    mailing_id: int | None = None,
    organization_id: int | None = None,
    reason: Doubt | None = None,
    after: tuple[int, int] | None = None,
    limit: int | None = None,
) -> Iterator[Listed]:
    """What is in doubt, of one mailing, of one organization or of all, in the order of the mailings and their sources; streamed.

    Args:
        after: (inner id of the mailing, seq) of the last one that is known already.
    """
    tx.execute(text("SET LOCAL idle_in_transaction_session_timeout = '15min'"))  # the reader may be a pager
    after_mailing, after_seq = after or (None, None)
    facts = {"mailing_id": mailing_id, "organization_id": organization_id, "reason": reason, "limit": limit}
    facts |= {"after_mailing": after_mailing, "after_seq": after_seq}
    with tx.execute(_LIST.execution_options(yield_per=_ROWS_AT_A_TIME), facts) as rows:
        for row in rows:
            yield Listed._make(row)


def count(tx: Connection, *, mailing_id: int | None = None, reason: Doubt | None = None) -> int:
    """How many deliveries are in doubt, of one mailing or of all."""
    tx.execute(text(f"SET LOCAL statement_timeout = '{_LONGEST_COUNT}'"))
    return int(tx.execute(_COUNT, {"mailing_id": mailing_id, "organization_id": None, "reason": reason}).scalar_one())


def locate(tx: Connection, mailing_id: int, who: Sequence[int | str]) -> dict[int | str, Found]:
    """Deliveries of a mailing by what they were asked for: a seq, or an address in whatever case it is written.

    Of several deliveries to one address the one in doubt is meant, else the first. Who is not there is left out.
    """
    asked = {"mailing_id": mailing_id}
    seqs = tx.execute(_BY_SEQ, asked | {"seqs": [each for each in who if isinstance(each, int)]})
    addresses = tx.execute(_BY_ADDRESS, asked | {"addresses": [each for each in who if isinstance(each, str)]})
    found: dict[int | str, Found] = {row.seq: _found(row) for row in seqs}
    return found | {row.asked: _found(row) for row in addresses}


def _found(row: Row[Any]) -> Found:
    return Found(**{name: getattr(row, name) for name in Found._fields})


def find(tx: Connection, mailing_id: int, who: int | str) -> Found:
    """One delivery, as `locate` finds it.

    Raises:
        NotFound: the mailing has no such recipient.
    """
    found = locate(tx, mailing_id, [who]).get(who)
    if found is None:
        raise NotFound(f"the mailing has no recipient {who}")
    return found


def batches_with(tx: Connection, mailing_id: int) -> list[int]:
    """The batches of a mailing in which something is in doubt."""
    statement = select(batch.c.id).where(batch.c.mailing_id == mailing_id, batch.c.num_in_doubt > 0).order_by(batch.c.id)
    return list(tx.execute(statement).scalars())


# What no policy would touch is left out here, so that it never crowds out what one would; the core decides all the same.
_FOR_POLICIES = text("""
SELECT batch.id
  FROM batch JOIN mailing ON mailing.id = batch.mailing_id
 WHERE batch.num_in_doubt > 0
   AND (mailing.doubt_policy = 'assume_sent'
        OR mailing.doubt_policy = 'resend' AND mailing.state NOT IN ('cancelled', 'expired')
           AND (mailing.expires_at IS NULL OR mailing.expires_at > clock_timestamp()))
   AND EXISTS (SELECT FROM delivery
                WHERE delivery.mailing_id = batch.mailing_id AND seq BETWEEN batch.first_seq AND batch.last_seq
                  AND delivery.state = 'in_doubt' AND (mailing.doubt_policy = 'resend' OR doubt <> 'host_lost')
                  AND settled_at <= clock_timestamp() - CAST(:older_than AS interval))
 ORDER BY batch.id LIMIT :limit
""")


def for_policies(tx: Connection, *, older_than: timedelta, limit: int) -> list[int]:
    """Batches with doubts of that age for which their mailing's policy has an answer."""
    return list(tx.execute(_FOR_POLICIES, {"older_than": older_than, "limit": limit}).scalars())


def lock(tx: Connection, batch_id: int) -> Locked:
    """Lock a batch's row, for the deliveries to be read in the next statement.

    Raises:
        NotFound: it is gone.
    """
    columns = (batch.c.id, batch.c.mailing_id, batch.c.state, batch.c.fence, batch.c.first_seq, batch.c.last_seq)
    row = tx.execute(select(*columns).where(batch.c.id == batch_id).with_for_update()).one_or_none()
    if row is None:
        raise NotFound(f"batch {batch_id} is gone: somebody dropped its mailing")
    return Locked(row.id, row.mailing_id, BatchState(row.state), row.fence, row.first_seq, row.last_seq)


_IN_BATCH = text("""
SELECT delivery.seq, delivery.address, delivery.doubt, coalesce(delivery.relay, batch.relay), delivery.settled_at
  FROM batch JOIN delivery ON delivery.mailing_id = batch.mailing_id AND delivery.seq BETWEEN batch.first_seq AND batch.last_seq
 WHERE batch.id = :batch_id AND delivery.mailing_id = :mailing_id AND delivery.seq BETWEEN :first_seq AND :last_seq
   AND delivery.state = 'in_doubt'
   AND (CAST(:reason AS text) IS NULL OR delivery.doubt = :reason)
   AND delivery.settled_at <= clock_timestamp() - CAST(:older_than AS interval)
 ORDER BY delivery.seq
""")


def in_batch(
    tx: Connection, locked: Locked, *, reason: Doubt | None = None, older_than: timedelta = timedelta(0)
) -> list[Doubtful]:
    """What is in doubt in a locked batch: at most its size."""
    facts = {"batch_id": locked.batch_id, "mailing_id": locked.mailing_id, "reason": reason, "older_than": older_than}
    rows = tx.execute(_IN_BATCH, facts | {"first_seq": locked.first_seq, "last_seq": locked.last_seq})
    return [Doubtful(row[0], row[1], Doubt(row[2]), row[3], row[4]) for row in rows]


_RESOLVE = text("""
UPDATE delivery
   SET state = new.state, pass = :fence, reply = new.reply, doubt = NULL,
       settled_at = CASE WHEN new.state = 'pending' THEN NULL ELSE clock_timestamp() END
  FROM unnest(CAST(:seqs AS int[]), CAST(:states AS text[]), CAST(:replies AS text[])) AS new (seq, state, reply)
 WHERE delivery.mailing_id = :mailing_id AND delivery.seq = ANY(CAST(:seqs AS int[]))
   AND delivery.seq BETWEEN :first_seq AND :last_seq AND delivery.seq = new.seq AND delivery.state = 'in_doubt'
""")


def settle(tx: Connection, locked: Locked, resolved: Sequence[Resolved]) -> None:
    """Write what deliveries in doubt become, move the counters, and open the batch again if something is to be sent.

    A batch that is leased stays with its holder, who finds what is pending when it hands back. If something is to be sent the
    caller locks the mailing next, and opens it again if it is finished.

    Raises:
        BooksDiffer: a delivery was not in doubt any more, or is not of this batch; roll back.
    """
    if not resolved:
        return
    for one in resolved:
        require(NEXT, State.IN_DOUBT, one.to)
    facts = {
        "mailing_id": locked.mailing_id,
        "fence": locked.fence,
        "first_seq": locked.first_seq,
        "last_seq": locked.last_seq,
        "seqs": [one.seq for one in resolved],
        "states": [one.to.value for one in resolved],
        "replies": [one.reply for one in resolved],
    }
    written = tx.execute(_RESOLVE, facts).rowcount
    if written != len(resolved):
        raise BooksDiffer(f"batch {locked.batch_id}: {len(resolved)} deliveries in doubt to settle, {written} were")
    _count(tx, locked, [one.to for one in resolved])


def _count(tx: Connection, locked: Locked, after: Sequence[State]) -> None:
    values: dict[str, Any] = {
        "num_in_doubt": batch.c.num_in_doubt - len(after),
        "num_sent": batch.c.num_sent + after.count(State.SENT),
        "num_errors": batch.c.num_errors + after.count(State.ERROR),
    }
    if State.PENDING in after:
        values |= opened_again(locked)
    tx.execute(update(batch).where(batch.c.id == locked.batch_id).values(**values))


def opened_again(locked: Locked) -> dict[str, Any]:
    """What changes in a batch's row because something of it is to be sent. Nothing while it is ready, or leased: then its holder
    finds what is pending when he hands it back.
    """
    if locked.state not in {BatchState.FINISHED, BatchState.WAITING}:
        return {}
    return {"state": BatchState.READY, "due_at": None, "rung_at": None, "finished_at": None, "ready_at": func.clock_timestamp()}
