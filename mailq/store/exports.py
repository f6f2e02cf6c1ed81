"""What became of every recipient, streamed: a server-side cursor, and memory that does not grow with the mailing."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, Text, column, func, select, table, text

from mailq.store.tables import delivery, mailing

_ROWS_AT_A_TIME = 2000
_HISTORY = table(
    "contact_history",
    *(column(name) for name in ("address", "mailing", "name", "seq", "state")),
    *(column(name) for name in ("settled_at", "attempts", "relay", "reply", "skip", "doubt", "address_key")),
)


class Row(NamedTuple):
    """One delivery as an export shows it; the Message-ID is a function of mailing and seq, and the caller's to add."""

    seq: int
    address: str
    state: str
    skip: str | None
    doubt: str | None
    attempts: int
    relay: str | None
    reply: str | None
    settled_at: datetime | None


class Contact(NamedTuple):
    """One mail that an address got or did not get; `mailing` is the public id."""

    address: str
    mailing: str
    name: str
    seq: int
    state: str
    settled_at: datetime | None
    attempts: int
    relay: str | None
    reply: str | None
    skip: str | None
    doubt: str | None


# A stream may have as many batches as messages: the page begins at the batch of the last one seen, by the index of numbers.
# Lateral: batches without any are passed over by their counters, and each of the others reads its own run of the primary key.
_PAGE = text("""
SELECT one.seq, one.address, one.state, one.skip, one.doubt, one.attempts, one.relay, one.reply, one.settled_at
  FROM batch
 CROSS JOIN LATERAL (
       SELECT * FROM delivery
        WHERE delivery.mailing_id = :mailing_id AND seq BETWEEN greatest(batch.first_seq, :after + 1) AND batch.last_seq
          AND (CAST(:state AS text) IS NULL OR state = :state)
        ORDER BY seq LIMIT :limit) AS one
 WHERE batch.mailing_id = :mailing_id AND batch.last_seq > :after
   AND batch.number >= coalesce((
       SELECT number FROM batch
        WHERE id = (SELECT batch_id FROM delivery WHERE delivery.mailing_id = :mailing_id AND seq = :after)), 0)
   AND CASE :state
        WHEN 'sent' THEN num_sent WHEN 'error' THEN num_errors WHEN 'skipped' THEN num_skipped WHEN 'in_doubt' THEN num_in_doubt
        WHEN 'deferred' THEN num_deferred
        WHEN 'pending' THEN num_profiles - num_sent - num_errors - num_skipped - num_in_doubt - num_deferred
        ELSE 1 END > 0
 ORDER BY batch.number, one.seq LIMIT :limit
""")


def page(tx: Connection, mailing_id: int, *, after: int, limit: int, state: str | None = None) -> list[Row]:
    """Deliveries of a mailing behind a seq, in their order.

    Args:
        state: only those in it.
    """
    facts = {"mailing_id": mailing_id, "after": after, "limit": limit, "state": state}
    return [Row._make(row) for row in tx.execute(_PAGE, facts)]


def deliveries(tx: Connection, mailing_id: int) -> Iterator[Row]:
    """Every delivery of a mailing, in the order of the source. Of one snapshot: the books of a moment."""
    statement = (
        select(*(delivery.c[name] for name in Row._fields)).where(delivery.c.mailing_id == mailing_id).order_by(delivery.c.seq)
    )
    # Whoever reads may stop for a while (a pager, a slow pipe); this transaction holds no row that others wait for.
    tx.execute(text("SET LOCAL idle_in_transaction_session_timeout = '15min'"))
    with tx.execute(statement.execution_options(yield_per=_ROWS_AT_A_TIME)) as rows:
        for row in rows:
            yield Row._make(row)


def history(tx: Connection, address: str, *, organization_id: int | None = None) -> list[Contact]:
    """Every mailing an address was a recipient of, the newest first, in whatever case it was written.

    Args:
        organization_id: whose mailings; None for those of all.
    """
    # The key is what the index is over; the address itself, because two may have one key.
    same_key = _HISTORY.c.address_key == func.address_key(address)
    same = func.lower(_HISTORY.c.address, type_=Text) == func.lower(address)
    statement = select(*(_HISTORY.c[name] for name in Contact._fields)).where(same_key, same)
    if organization_id is not None:
        of_theirs = select(mailing.c.public_id).where(mailing.c.organization_id == organization_id)
        statement = statement.where(_HISTORY.c.mailing.in_(of_theirs))
    newest_first = statement.order_by(_HISTORY.c.settled_at.desc().nulls_first(), _HISTORY.c.mailing, _HISTORY.c.seq)
    return [Contact._make(row) for row in tx.execute(newest_first)]
