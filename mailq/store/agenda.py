"""Whether there is anything to do for the upkeep: one cheap look, so that a leader with nothing to do asks nothing else."""

from datetime import timedelta

from sqlalchemy import Connection, text

from mailq.store.mailings_with import THEIRS, mailings_with

# Each part stops at the first row of a partial index. Where one is not exact it says yes, and the step finds nothing. The time is
# that of the statement: one that changes from row to row is compared with every row, and searched for in no index.
# The last part is counted, lest the planner hope for an early row and begin to read all mailings that ever were.
_LOOK = text(f"""
SELECT EXISTS (SELECT FROM mailing WHERE state = 'scheduled' AND scheduled_at <= statement_timestamp())
    OR EXISTS (SELECT FROM mailing WHERE state IN ('scheduled', 'running', 'paused') AND expires_at <= statement_timestamp())
    OR EXISTS (SELECT FROM mailing WHERE state IN ('running', 'paused') AND open_until <= statement_timestamp())
    OR EXISTS (SELECT FROM batch WHERE state = 'waiting' AND due_at <= statement_timestamp())
    OR EXISTS (SELECT FROM mailing WHERE state = 'loading' AND loaded_at IS NOT NULL)
    OR EXISTS (SELECT FROM inbox WHERE mailing_id IS NULL)
    OR EXISTS ({mailings_with("state = 'ready'")}
               SELECT FROM found {THEIRS}
                WHERE mailing.state = 'running'
                  AND EXISTS (SELECT FROM batch WHERE batch.mailing_id = mailing.id AND batch.state = 'ready'
                                 AND (rung_at IS NULL OR rung_at <= statement_timestamp() - CAST(:ring_again_after AS interval))
                              OFFSET 0))
    OR EXISTS ({mailings_with("state IN ('ready', 'leased', 'waiting')")}
               SELECT FROM found {THEIRS} WHERE mailing.state IN ('cancelled', 'expired'))
    OR EXISTS ({mailings_with("num_in_doubt > 0")}
               SELECT FROM found {THEIRS} WHERE mailing.doubt_policy <> 'hold')
    OR (SELECT count(*) FROM mailing WHERE state IN ('running', 'paused') AND open_until IS NULL
           AND NOT EXISTS (SELECT FROM batch WHERE batch.mailing_id = mailing.id AND batch.state IN ('ready', 'leased', 'waiting'))) > 0
""")  # noqa: S608 - made of our own words


def holds_anything(tx: Connection, *, ring_again_after: timedelta) -> bool:
    """Whether a step of the upkeep would find something."""
    return bool(tx.execute(_LOOK, {"ring_again_after": ring_again_after}).scalar_one())
