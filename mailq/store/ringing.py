"""Which batches to ring for, and when they were rung last."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, update

from mailq.core.batch import State
from mailq.core.mailing import Lane
from mailq.store import maintenance
from mailq.store.prepared import Prepared
from mailq.store.tables import batch

# The time changes from row to row on purpose: so nothing but the index of what is rung comes into question, which is short.
_OUTSTANDING = Prepared(
    "mailq_rung",
    "text, interval",
    """
SELECT count(*) FROM batch JOIN mailing ON mailing.id = batch.mailing_id
 WHERE mailing.state = 'running' AND mailing.lane = $1 AND batch.state = 'ready' AND batch.rung_at > clock_timestamp() - $2
""",
)


def outstanding(tx: Connection, lane: Lane, *, ring_again_after: timedelta) -> int:
    """How many batches of a lane have been rung lately and are still ready: their rings are on the way."""
    return int(str(_OUTSTANDING.execute(tx, lane.value, ring_again_after).scalar_one()))


# Fair order: the first ready batches of every mailing of the lane, then the second ones. Mailings that run but have nothing ready,
# as streams for most of their month, cost nothing. The lateral part reads at most $2 rows per mailing from batch_ready_idx, however many
# batches a mailing has. What somebody has locked is passed over: a producer who cancels a mailing within a long transaction keeps no
# other mailing of the lane waiting.
_RING = Prepared(
    "mailq_ring",
    "text, bigint, interval",
    f"""
UPDATE batch SET rung_at = clock_timestamp()
  FROM (SELECT next.id, mailing.name,
               (SELECT max(number) FROM batch AS last WHERE last.mailing_id = mailing.id) AS num_batches
          FROM mailing
         CROSS JOIN LATERAL (
               SELECT id, row_number() OVER (ORDER BY number) AS place
                 FROM batch
                WHERE mailing_id = mailing.id AND state = 'ready'
                  AND (rung_at IS NULL OR rung_at <= statement_timestamp() - $3)
                ORDER BY number LIMIT $2) AS next
         WHERE mailing.id IN (SELECT mailing_id FROM batch WHERE state = 'ready')
           AND mailing.state = 'running' AND mailing.lane = $1 AND {maintenance.NONE}
         ORDER BY next.place, mailing.id
         LIMIT $2) AS chosen
 CROSS JOIN LATERAL (
       SELECT id FROM batch AS lying WHERE lying.id = chosen.id AND (lying.state = 'ready') IS TRUE FOR NO KEY UPDATE SKIP LOCKED) AS free
 WHERE batch.id = free.id
RETURNING batch.id, batch.number, chosen.num_batches, chosen.name
""",  # noqa: S608 - made of our own words
)


def choose(tx: Connection, lane: Lane, *, room: int, ring_again_after: timedelta) -> list[Row[Any]]:
    """Mark up to `room` batches of a lane as rung now; their (id, number, num_batches, name). In maintenance none."""
    if room <= 0:
        return []
    return list(_RING.execute(tx, lane.value, room, ring_again_after))


def take_back(tx: Connection, batch_ids: Sequence[int]) -> None:
    """Forget the rings of these batches: the broker may not have taken them, or nobody could work who heard them."""
    tx.execute(update(batch).where(batch.c.id.in_(batch_ids), batch.c.state == State.READY).values(rung_at=None))


def forget(tx: Connection) -> int:
    """Forget all rings: the broker's data is gone."""
    return tx.execute(
        update(batch).where(batch.c.state == State.READY, batch.c.rung_at.is_not(None)).values(rung_at=None)
    ).rowcount
