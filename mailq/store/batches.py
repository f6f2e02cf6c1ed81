"""Batches: claim, advance, release. Every write of an owner repeats what it believes, so a late owner is refused."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, exists, func, select, update

from mailq.core.batch import Claim, Owner, State, Tally
from mailq.core.mailing import State as MailingState
from mailq.core.server import State as ServerState
from mailq.errors import BooksForgotten, LeaseLost
from mailq.store.database import db_now
from mailq.store.prepared import Prepared
from mailq.store.tables import batch, installation, mailing, server


@dataclass(frozen=True, slots=True)
class Counted:
    """A batch's watermark, and what its counters say is left of it."""

    watermark: int
    pending: int
    deferred: int


_UNOWNED = {"owner": None, "server_id": None, "incarnation": None}


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
    nothing is sent because the database has forgotten.

    Every pass is a claim of its own with a fence of its own: what an earlier owner still writes is refused.

    Args:
        journal: the nonce of the file in which the owner notes its dots.
        relay: where it sends to.

    Raises:
        BooksForgotten: the owner knows of a later renewal of its server than the database.
    """
    if not _may_claim(tx, owner, now):
        return None
    moment = db_now(now)
    runs = exists().where(mailing.c.id == batch.c.mailing_id, mailing.c.state == MailingState.RUNNING)
    statement = (
        update(batch)
        .where(batch.c.id == batch_id, batch.c.state == State.READY, runs)
        .values(
            state=State.LEASED,
            owner=owner.process,
            server_id=owner.server_id,
            incarnation=owner.incarnation,
            journal=journal,
            relay=relay,
            fence=batch.c.fence + 1,
            watermark=batch.c.first_seq - 1,
            pass_started_at=moment,
            first_claimed_at=func.coalesce(batch.c.first_claimed_at, moment),
            progressed_at=moment,
        )
        .returning(batch)
    )
    row = tx.execute(statement).one_or_none()
    return None if row is None else as_claim(row, owner)


def _may_claim(tx: Connection, owner: Owner, now: datetime | None) -> bool:
    lives = (
        server.c.id == owner.server_id,
        server.c.incarnation == owner.incarnation,
        server.c.state == ServerState.ALIVE,
        server.c.lease_until > db_now(now),
    )
    behind_since = select(installation.c.behind_since).scalar_subquery().label("behind_since")
    # Shared with other claims, but not with a reclaimer that retires the incarnation, nor with its successor.
    row = tx.execute(select(server.c.beat, behind_since).where(*lives).with_for_update(read=True, of=server)).one_or_none()
    if row is None or row.behind_since is not None:
        return False
    if row.beat < owner.beat:
        raise BooksForgotten(f"{owner.process} knows of renewal {owner.beat} of its server, the database of {row.beat} alone")
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
RETURNING (SELECT CASE WHEN behind_since IS NULL THEN mailing.state ELSE 'paused' END
             FROM mailing, installation WHERE mailing.id = batch.mailing_id)
""",
)


def advance(tx: Connection, held: Claim, *, ledger_no: int, watermark: int, tally: Tally) -> MailingState:
    """Move the watermark and the counters in one step, and learn how the mailing stands: paused while the database has forgotten.

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


def standing(tx: Connection, held: Claim) -> tuple[int, MailingState]:
    """The number of the last window transaction that was committed, and how the mailing stands.

    The number tells whether a COMMIT whose reply was lost took place.

    Raises:
        LeaseLost: the batch was reclaimed.
    """
    statement = select(batch.c.ledger_no, mailing.c.state).join(mailing, mailing.c.id == batch.c.mailing_id).where(_held_by(held))
    row = tx.execute(statement.with_for_update(of=batch)).one_or_none()
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
    row = tx.execute(_counted(held).with_for_update()).one_or_none()
    if row is None:
        raise LeaseLost(held.batch_id, held.fence)
    return Counted(row.watermark, row.pending, row.deferred)


def release(
    tx: Connection, held: Claim, state: State, *, due_at: datetime | None = None, skipped: int = 0, deferred: int = 0
) -> None:
    """Let go of a batch whose row `hold` has locked; `skipped` and `deferred` are added to its counters.

    Raises:
        LeaseLost: the batch was reclaimed.
    """
    done = state in {State.FINISHED, State.CANCELLED}
    statement = (
        update(batch)
        .where(_held_by(held))
        .values(
            state=state,
            due_at=due_at,
            rung_at=None,
            ledger_no=batch.c.ledger_no + 1,
            num_skipped=batch.c.num_skipped + skipped,
            num_deferred=batch.c.num_deferred + deferred,
            progressed_at=func.now(),
            finished_at=func.now() if done else None,
            **_UNOWNED,
        )
    )
    if tx.execute(statement).rowcount != 1:
        raise LeaseLost(held.batch_id, held.fence)


def wake_due(tx: Connection, *, now: datetime | None = None) -> int:
    """Make waiting batches ready whose time has come; how many."""
    moment = db_now(now)
    statement = (
        update(batch)
        .where(batch.c.state == State.WAITING, batch.c.due_at <= moment)
        .values(state=State.READY, due_at=None, rung_at=None)
    )
    return tx.execute(statement).rowcount


def _counted(held: Claim) -> Select[Any, Any, Any]:
    settled = batch.c.num_sent + batch.c.num_errors + batch.c.num_skipped + batch.c.num_in_doubt
    pending = (batch.c.num_profiles - settled - batch.c.num_deferred).label("pending")
    return select(batch.c.watermark, pending, batch.c.num_deferred.label("deferred")).where(_held_by(held))


def _held_by(held: Claim) -> ColumnElement[bool]:
    return and_(
        batch.c.id == held.batch_id,
        batch.c.owner == held.owner.process,
        batch.c.fence == held.fence,
        batch.c.state == State.LEASED,
    )


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
