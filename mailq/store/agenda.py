"""Whether there is anything to do for the upkeep: one cheap look, so that a leader with nothing to do asks nothing else."""

from datetime import timedelta

from sqlalchemy import Connection, text

# Each part stops at the first row of a partial index. Where one is not exact it says yes, and the step finds nothing.
_LOOK = text("""
SELECT EXISTS (SELECT FROM mailing WHERE state = 'scheduled' AND scheduled_at <= clock_timestamp())
    OR EXISTS (SELECT FROM mailing WHERE state IN ('scheduled', 'running', 'paused') AND expires_at <= clock_timestamp())
    OR EXISTS (SELECT FROM batch JOIN mailing ON mailing.id = batch.mailing_id
                WHERE batch.state IN ('ready', 'waiting') AND mailing.state IN ('cancelled', 'expired'))
    OR EXISTS (SELECT FROM batch JOIN mailing ON mailing.id = batch.mailing_id
                WHERE num_in_doubt > 0 AND mailing.doubt_policy <> 'hold')
    OR EXISTS (SELECT FROM batch WHERE state = 'waiting' AND due_at <= clock_timestamp())
    OR EXISTS (SELECT FROM mailing WHERE state = 'loading' AND loaded_at IS NOT NULL)
    OR EXISTS (SELECT FROM inbox WHERE mailing_id IS NULL)
    OR EXISTS (SELECT FROM mailing WHERE state IN ('running', 'paused') AND (open_until IS NULL OR open_until <= clock_timestamp())
                  AND NOT EXISTS (SELECT FROM batch WHERE batch.mailing_id = mailing.id AND batch.state IN ('ready', 'leased', 'waiting')))
    OR EXISTS (SELECT FROM batch JOIN mailing ON mailing.id = batch.mailing_id
                WHERE batch.state = 'ready' AND mailing.state = 'running'
                  AND (rung_at IS NULL OR rung_at <= clock_timestamp() - CAST(:ring_again_after AS interval)))
""")


def holds_anything(tx: Connection, *, ring_again_after: timedelta) -> bool:
    """Whether a step of the upkeep would find something."""
    return bool(tx.execute(_LOOK, {"ring_again_after": ring_again_after}).scalar_one())
