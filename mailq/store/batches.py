"""Batches: claim, advance, release. Every write of an owner repeats what it believes, so a late owner is refused."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from mailq.core.batch import Claim, Owner, State, Tally
from mailq.core.mailing import State as MailingState
from mailq.errors import BooksForgotten, LeaseLost
from mailq.store.database import db_now_once
from mailq.store.prepared import Prepared
from mailq.store.tables import batch


@dataclass(frozen=True, slots=True)
class Counted:
    """A batch's watermark, and what its counters say is left of it."""

    watermark: int
    pending: int
    deferred: int


# `IS TRUE`, here and below, keeps the planner from the partial indexes: planned while these are small, they would be read whole later.
_CLAIM = Prepared(
    "mailq_batch_claim",
    "bigint, text, bigint, bigint, text, text, timestamptz",
    """
UPDATE batch
   SET state = 'leased', owner = $2, server_id = $3, incarnation = $4, journal = $5, relay = $6, fence = fence + 1,
       watermark = first_seq - 1, pass_started_at = coalesce($7, clock_timestamp()),
       first_claimed_at = coalesce(first_claimed_at, $7, clock_timestamp()), progressed_at = coalesce($7, clock_timestamp())
 WHERE id = $1 AND (state = 'ready') IS TRUE
   AND EXISTS (SELECT FROM mailing WHERE mailing.id = batch.mailing_id AND mailing.state = 'running')
RETURNING id, mailing_id, number, fence, ledger_no, first_seq, last_seq, pass_started_at, first_claimed_at
""",
)
# Shared with other claims, but not with a reclaimer that retires the incarnation, nor with its successor.
_MAY_CLAIM = Prepared(
    "mailq_may_claim",
    "bigint, bigint, timestamptz",
    """
SELECT beat, (SELECT coalesce(behind_since, maintenance_since) FROM installation) FROM server
 WHERE id = $1 AND incarnation = $2 AND state = 'alive' AND lease_until > coalesce($3, clock_timestamp())
   FOR SHARE OF server
""",
)


def claim(
    tx: Connection,
    batch_id: int,
    *,
    owner: Owner,
    journal: str | None = None,
    relay: str | None = None,
    now: datetime | None = None,
) -> Claim | None:
    """Take a ready batch for one pass; None if it is not ready, its mailing does not run, the owner's lease has run out, or
    nothing is sent because the database has forgotten or there is maintenance.

    Every pass is a claim of its own with a fence of its own: what an earlier owner still writes is refused.

    Args:
        journal: the nonce of the file in which the owner notes its dots.
        relay: where it sends to.

    Raises:
        BooksForgotten: the owner knows of a later renewal of its server than the database.
    """
    if not _may_claim(tx, owner, now):
        return None
    facts = (batch_id, owner.process, owner.server_id, owner.incarnation, journal, relay, now)
    row = _CLAIM.execute(tx, *facts).one_or_none()
    return None if row is None else as_claim(row, owner)


def _may_claim(tx: Connection, owner: Owner, now: datetime | None) -> bool:
    row: Any = _MAY_CLAIM.execute(tx, owner.server_id, owner.incarnation, now).one_or_none()
    if row is None:
        return False
    beat, held_since = row
    if held_since is not None:
        return False
    if beat < owner.beat:
        raise BooksForgotten(f"{owner.process} knows of renewal {owner.beat} of its server, the database of {beat} alone")
    return True


_ADVANCE = Prepared(
    "mailq_advance",
    "bigint, text, int, bigint, int, int, int, int, int, int",
    """
UPDATE batch
   SET watermark = $5, ledger_no = ledger_no + 1, num_sent = num_sent + $6, num_errors = num_errors + $7,
       num_skipped = num_skipped + $8, num_deferred = num_deferred + $9, num_in_doubt = num_in_doubt + $10,
       progressed_at = now()
 WHERE id = $1 AND owner = $2 AND fence = $3 AND (state = 'leased') IS TRUE AND ledger_no = $4
RETURNING (SELECT CASE WHEN coalesce(behind_since, maintenance_since) IS NULL THEN mailing.state ELSE 'paused' END
             FROM mailing, installation WHERE mailing.id = batch.mailing_id)
""",
)


def advance(tx: Connection, held: Claim, *, ledger_no: int, watermark: int, tally: Tally) -> MailingState:
    """Move the watermark and the counters in one step, and learn how the mailing stands: paused while nothing is sent at all,
    because the database has forgotten or there is maintenance.

    First statement of a window transaction: it locks the row against a reclaimer, and stops a stale owner before it
    touches a delivery. `ledger_no` is the number this owner read or wrote last.

    Raises:
        LeaseLost: the batch was reclaimed; the caller stops and writes nothing.
    """
    counted = (tally.sent, tally.errors, tally.skipped, tally.deferred, tally.in_doubt)
    facts = (held.batch_id, held.owner.process, held.fence, ledger_no, watermark)
    state = _ADVANCE.execute(tx, *facts, *counted).scalar_one_or_none()
    if state is None:
        raise LeaseLost(held.batch_id, held.fence)
    return MailingState(str(state))


_HELD = "batch.id = $1 AND owner = $2 AND fence = $3 AND (batch.state = 'leased') IS TRUE"
_STANDING = Prepared(
    "mailq_standing",
    "bigint, text, int",
    f"SELECT ledger_no, mailing.state FROM batch JOIN mailing ON mailing.id = mailing_id WHERE {_HELD} FOR UPDATE OF batch",  # noqa: S608
)
_HOLD = Prepared(
    "mailq_hold",
    "bigint, text, int",
    f"""
SELECT watermark, num_profiles - num_sent - num_errors - num_skipped - num_in_doubt - num_deferred, num_deferred
  FROM batch WHERE {_HELD} FOR UPDATE
""",  # noqa: S608 - made of our own words
)
_RELEASE = Prepared(
    "mailq_batch_release",
    "bigint, text, int, text, timestamptz, int, int, boolean",
    f"""
UPDATE batch
   SET state = $4, due_at = $5, rung_at = NULL, ledger_no = ledger_no + 1, num_skipped = num_skipped + $6,
       num_deferred = num_deferred + $7, progressed_at = now(), finished_at = CASE WHEN $8 THEN now() END,
       owner = NULL, server_id = NULL, incarnation = NULL
 WHERE {_HELD}
""",  # noqa: S608 - made of our own words
)


def standing(tx: Connection, held: Claim) -> tuple[int, MailingState]:
    """The number of the last window transaction that was committed, and how the mailing stands.

    The number tells whether a COMMIT whose reply was lost took place.

    Raises:
        LeaseLost: the batch was reclaimed.
    """
    row: Any = _STANDING.execute(tx, held.batch_id, held.owner.process, held.fence).one_or_none()
    if row is None:
        raise LeaseLost(held.batch_id, held.fence)
    return row.ledger_no, MailingState(row.state)


def fence(tx: Connection, batch_id: int) -> int:
    """How often a batch was claimed and reclaimed by now; 0 if there is no such batch."""
    return int(tx.execute(select(batch.c.fence).where(batch.c.id == batch_id)).scalar_one_or_none() or 0)


def hold(tx: Connection, held: Claim) -> Counted:
    """Lock the batch's row for its owner; what its counters say is left.

    Raises:
        LeaseLost: the batch was reclaimed.
    """
    row: Any = _HOLD.execute(tx, held.batch_id, held.owner.process, held.fence).one_or_none()
    if row is None:
        raise LeaseLost(held.batch_id, held.fence)
    return Counted(*row)


def release(
    tx: Connection, held: Claim, state: State, *, due_at: datetime | None = None, skipped: int = 0, deferred: int = 0
) -> None:
    """Let go of a batch whose row `hold` has locked; `skipped` and `deferred` are added to its counters.

    Raises:
        LeaseLost: the batch was reclaimed.
    """
    done = state in {State.FINISHED, State.CANCELLED}
    facts = (held.batch_id, held.owner.process, held.fence, state.value, due_at, skipped, deferred, done)
    if _RELEASE.execute(tx, *facts).rowcount != 1:
        raise LeaseLost(held.batch_id, held.fence)


def wake_due(tx: Connection, *, now: datetime | None = None) -> int:
    """Make waiting batches ready whose time has come; how many. Those that somebody has locked are left to the next call."""
    moment = db_now_once(now)
    due = select(batch.c.id).where(batch.c.state == State.WAITING, batch.c.due_at <= moment)
    statement = (
        update(batch)
        .where(batch.c.id.in_(due.with_for_update(skip_locked=True)))
        .values(state=State.READY, due_at=None, rung_at=None, ready_at=moment)
    )
    return tx.execute(statement).rowcount


def as_claim(row: Row[Any], owner: Owner) -> Claim:
    """What a row of `batch` says of the claim that `owner` holds it under."""
    return Claim(
        batch_id=row.id,
        mailing_id=row.mailing_id,
        number=row.number,
        owner=owner,
        fence=row.fence,
        ledger_no=row.ledger_no,
        first_seq=row.first_seq,
        last_seq=row.last_seq,
        pass_started_at=row.pass_started_at,
        first_claimed_at=row.first_claimed_at,
    )
