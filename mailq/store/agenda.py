"""What there is to do for the leading warden: one cheap look, so that a leader with nothing to do asks nothing else."""

from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import Connection, text


class Agenda(NamedTuple):
    """What a look has found.

    Attributes:
        upkeep: a step of the upkeep would find something.
        calls: a call may be run, its time has come, or a conversation waits for a part in vain.
        notifications: an answer is due.
    """

    upkeep: bool
    calls: bool
    notifications: bool


# Each part stops at the first row of a partial index. Where one is not exact it says yes, and the step finds nothing. The time is
# that of the statement: one that changes from row to row is compared with every row, and searched for in no index.
# The last part is counted, lest the planner hope for an early row and begin to read all mailings that ever were.
# Of calls and what belongs to them the first one is asked for: where statistics say that many are due, and none is, a planner that
# hopes for an early one would read all that ever were.
# What is held back, in maintenance or because the database has forgotten, is not looked for: it would be found at every tick.
_LOOK = text("""
SELECT awake AND (
       EXISTS (SELECT FROM mailing WHERE state = 'scheduled' AND scheduled_at <= statement_timestamp())
    OR EXISTS (SELECT FROM inbox WHERE mailing_id IS NULL)
    OR EXISTS (SELECT FROM batch JOIN mailing ON mailing.id = batch.mailing_id
                WHERE batch.state = 'ready' AND mailing.state = 'running'
                  AND (rung_at IS NULL OR rung_at <= statement_timestamp() - CAST(:ring_again_after AS interval))))
    OR EXISTS (SELECT FROM mailing WHERE state IN ('scheduled', 'running', 'paused') AND expires_at <= statement_timestamp())
    OR EXISTS (SELECT FROM mailing WHERE state IN ('running', 'paused') AND open_until <= statement_timestamp())
    OR EXISTS (SELECT FROM batch WHERE state = 'waiting' AND due_at <= statement_timestamp())
    OR EXISTS (SELECT FROM mailing WHERE state = 'loading' AND loaded_at IS NOT NULL)
    OR EXISTS (SELECT FROM batch JOIN mailing ON mailing.id = batch.mailing_id
                WHERE batch.state IN ('ready', 'waiting') AND mailing.state IN ('cancelled', 'expired'))
    OR EXISTS (SELECT FROM batch JOIN mailing ON mailing.id = batch.mailing_id
                WHERE num_in_doubt > 0 AND mailing.doubt_policy <> 'hold')
    OR (SELECT count(*) FROM mailing WHERE state IN ('running', 'paused') AND open_until IS NULL
           AND NOT EXISTS (SELECT FROM batch WHERE batch.mailing_id = mailing.id AND batch.state IN ('ready', 'leased', 'waiting'))) > 0,
       awake AND sound AND coalesce(
       (SELECT min(priority) FROM call WHERE state = 'ready') IS NOT NULL
    OR (SELECT min(scheduled_at) FROM call WHERE state = 'scheduled') <= statement_timestamp()
    OR (SELECT min(last_part_at) FROM conversation WHERE state = 'receiving') <= statement_timestamp() - CAST(:part_gap AS interval),
       false),
       awake AND sound AND coalesce((SELECT min(due_at) FROM notification WHERE state = 'pending') <= statement_timestamp(), false)
  FROM (SELECT maintenance_since IS NULL AS awake, behind_since IS NULL AS sound FROM installation) AS standing
""")


def look(tx: Connection, *, ring_again_after: timedelta, part_gap: timedelta) -> Agenda:
    """What a leader would find.

    Args:
        part_gap: how long a conversation waits for its next part.
    """
    return Agenda._make(tx.execute(_LOOK, {"ring_again_after": ring_again_after, "part_gap": part_gap}).one())
