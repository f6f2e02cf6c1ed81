"""What waits to be sent, lane by lane: for whoever starts and stops servers. Reads what is undone, however much is done."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, text


class Waiting(NamedTuple):
    """What waits in a lane.

    Attributes:
        num_ready, num_leased, num_waiting: batches of mailings that run: to be claimed, held by a worker, not due yet.
        num_pending, num_deferred: deliveries in them.
        ready_since: since when the oldest batch that nobody works could be worked.
        num_inbox: single messages that are not in their stream yet; `inbox_since` is when the oldest was accepted.
        num_slots: worker processes that serve the lane, on servers heard of lately.
    """

    lane: str
    num_ready: int
    num_leased: int
    num_waiting: int
    num_pending: int
    num_deferred: int
    ready_since: datetime | None
    num_inbox: int
    inbox_since: datetime | None
    num_slots: int
    now: datetime


# A batch that was handed back has last been worked when it progressed; one of a mailing that waited for its hour, since then.
_OF_LANES = text("""
SELECT lane,
       coalesce(num_ready, 0), coalesce(num_leased, 0), coalesce(num_waiting, 0), coalesce(num_pending, 0), coalesce(num_deferred, 0),
       ready_since, coalesce(num_inbox, 0), inbox_since,
       (SELECT coalesce(sum((slots ->> lane)::int), 0) FROM server
         WHERE state = 'alive' AND renewed_at > clock_timestamp() - interval '30 seconds'),
       clock_timestamp()
  FROM unnest(CAST(:lanes AS text[])) WITH ORDINALITY AS lanes (lane, place)
  LEFT JOIN (
       SELECT lane, count(*) FILTER (WHERE batch.state = 'ready') AS num_ready,
              count(*) FILTER (WHERE batch.state = 'leased') AS num_leased,
              count(*) FILTER (WHERE batch.state = 'waiting') AS num_waiting,
              sum(num_profiles - num_sent - num_errors - num_skipped - num_in_doubt - num_deferred)::bigint AS num_pending,
              sum(batch.num_deferred)::bigint AS num_deferred,
              min(greatest(ready_at, progressed_at, mailing.started_at)) FILTER (WHERE batch.state = 'ready') AS ready_since
         FROM mailing JOIN batch ON batch.mailing_id = mailing.id
        WHERE mailing.state = 'running' AND batch.state IN ('ready', 'leased', 'waiting')
        GROUP BY lane) AS batches USING (lane)
  LEFT JOIN (
       SELECT lane, count(*) AS num_inbox, min(accepted_at) AS inbox_since
         FROM inbox WHERE mailing_id IS NULL GROUP BY lane) AS messages USING (lane)
 ORDER BY place
""")


def of_lanes(tx: Connection, lanes: list[str]) -> list[Waiting]:
    """What waits in each of these lanes."""
    return [Waiting._make(row) for row in tx.execute(_OF_LANES, {"lanes": lanes})]
