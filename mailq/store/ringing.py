"""Which batches to ring for, and when they were rung last."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select, text, update

from mailq.core.batch import State
from mailq.core.mailing import Lane
from mailq.core.mailing import State as MailingState
from mailq.store.tables import batch, mailing


def outstanding(tx: Connection, lane: Lane, *, ring_again_after: timedelta) -> int:
    """How many batches of a lane have been rung lately and are still ready: their rings are on the way."""
    statement = (
        select(func.count())
        .select_from(batch.join(mailing, mailing.c.id == batch.c.mailing_id))
        .where(
            mailing.c.state == MailingState.RUNNING,
            mailing.c.lane == lane,
            batch.c.state == State.READY,
            batch.c.rung_at > func.clock_timestamp() - ring_again_after,
        )
    )
    return int(tx.execute(statement).scalar_one())


# Fair order: the first ready batches of every mailing of the lane, then the second ones. The lateral part reads at most
# :room rows per mailing from batch_ready_idx, however many batches a mailing has.
_RING = text("""
UPDATE batch SET rung_at = clock_timestamp()
  FROM (SELECT next.id, mailing.name,
               (SELECT max(number) FROM batch AS last WHERE last.mailing_id = mailing.id) AS num_batches
          FROM mailing
         CROSS JOIN LATERAL (
               SELECT id, row_number() OVER (ORDER BY number) AS place
                 FROM batch
                WHERE mailing_id = mailing.id AND state = 'ready'
                  AND (rung_at IS NULL OR rung_at <= clock_timestamp() - CAST(:ring_again_after AS interval))
                ORDER BY number LIMIT :room) AS next
         WHERE mailing.state = 'running' AND mailing.lane = :lane
         ORDER BY next.place, mailing.id
         LIMIT :room) AS chosen
 WHERE batch.id = chosen.id AND batch.state = 'ready'
RETURNING batch.id, batch.number, chosen.num_batches, chosen.name
""")


def choose(tx: Connection, lane: Lane, *, room: int, ring_again_after: timedelta) -> list[Row[Any]]:
    """Mark up to `room` batches of a lane as rung now; their (id, number, num_batches, name)."""
    if room <= 0:
        return []
    return list(tx.execute(_RING, {"lane": lane.value, "room": room, "ring_again_after": ring_again_after}))


def take_back(tx: Connection, batch_ids: Sequence[int]) -> None:
    """Forget the rings of these batches: the broker may not have taken them, or nobody could work who heard them."""
    tx.execute(update(batch).where(batch.c.id.in_(batch_ids), batch.c.state == State.READY).values(rung_at=None))


def forget(tx: Connection) -> int:
    """Forget all rings: the broker's data is gone."""
    return tx.execute(
        update(batch).where(batch.c.state == State.READY, batch.c.rung_at.is_not(None)).values(rung_at=None)
    ).rowcount
