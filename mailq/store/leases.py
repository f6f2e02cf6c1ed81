"""Batches that are leased: who holds them, and taking many of them back at once, in few statements however many they are."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, select, text

from mailq.core.batch import Claim, Left, Owner, Tally
from mailq.core.batch import State as BatchState
from mailq.core.delivery import State
from mailq.core.mailing import State as MailingState
from mailq.core.mailing import retries_began
from mailq.errors import BooksDiffer
from mailq.store.batches import Counted, as_claim
from mailq.store.prepared import Prepared
from mailq.store.tables import batch, mailing, server


@dataclass(frozen=True, slots=True)
class Leased:
    """A batch that is leased, as it was seen, and where its owner may have left a journal.

    Attributes:
        journal: the nonce of the journal that the claim names.
        relay: where its owner sent to.
        home: the home of the owner's server, on its host.
        boot_id: the boot of that host, at the server's last start.
    """

    claim: Claim
    journal: str | None = None
    relay: str | None = None
    home: str | None = None
    boot_id: str | None = None


@dataclass(frozen=True, slots=True)
class Open:
    """A delivery that had begun and is not settled."""

    seq: int
    state: State
    attempts: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What a reclaimer must know of a mailing; see `retries_began`."""

    state: MailingState
    started_at: datetime
    is_stream: bool = False
    resent_at: datetime | None = None

    def began(self, first_claimed_at: datetime) -> datetime:
        """From when the age of the retries of a batch is counted, by its first claim."""
        return retries_began(
            started_at=self.started_at, first_claimed_at=first_claimed_at, is_stream=self.is_stream, resent_at=self.resent_at
        )


@dataclass(frozen=True, slots=True)
class Taking:
    """What is written about a batch that is reclaimed: where it goes, and what its counters gain."""

    claim: Claim
    state: BatchState
    due_at: datetime | None
    gain: Tally


_HOLDS = Prepared("mailq_holds", "text", "SELECT id FROM batch WHERE owner = $1 AND state = 'leased' LIMIT 1")


def of_process(tx: Connection, process: str) -> list[Leased]:
    """What a worker process holds by the books; it asks before every claim, and nearly always it is nothing."""
    if _HOLDS.execute(tx, process).one_or_none() is None:
        return []
    return _leased(tx, batch.c.owner == process)


def before(tx: Connection, server_id: int, incarnation: int) -> list[Leased]:
    """What former incarnations of a server still hold."""
    return _leased(tx, and_(batch.c.server_id == server_id, batch.c.incarnation < incarnation))


def of_incarnation(tx: Connection, server_id: int, incarnation: int) -> list[Leased]:
    """What one start of a server holds."""
    return _leased(tx, and_(batch.c.server_id == server_id, batch.c.incarnation == incarnation))


def still_named(tx: Connection, journals: Collection[str]) -> set[str]:
    """Those of these journals that a leased batch names: they are needed yet."""
    named = select(batch.c.journal).where(batch.c.state == BatchState.LEASED, batch.c.journal.in_(journals))
    return {str(nonce) for nonce in tx.execute(named).scalars()}


def mark(tx: Connection, batch_id: int) -> tuple[int, int] | None:
    """How far a batch's books have come: its fence, and the number of its last commit. Neither ever goes back."""
    row = tx.execute(select(batch.c.fence, batch.c.ledger_no).where(batch.c.id == batch_id)).one_or_none()
    return None if row is None else (row.fence, row.ledger_no)


def seize(tx: Connection, seen: Sequence[Claim]) -> dict[int, Counted]:
    """Lock those of these batches that are still as they were seen; what their counters say is left, by batch.

    The lock is a statement of its own and the deliveries are read in the next one: under READ COMMITTED that one sees
    what the owner committed last. What is missing was let go of, or is being written about or reclaimed by somebody right now.
    """
    settled = batch.c.num_sent + batch.c.num_errors + batch.c.num_skipped + batch.c.num_in_doubt + batch.c.num_deferred
    statement = (
        select(batch.c.id, batch.c.owner, batch.c.fence, batch.c.watermark, batch.c.num_deferred, batch.c.num_profiles - settled)
        .where(batch.c.id.in_([one.batch_id for one in seen]), batch.c.state == BatchState.LEASED)
        .order_by(batch.c.id)
        .with_for_update(skip_locked=True)
    )
    believed = {(one.batch_id, one.owner.process, one.fence) for one in seen}
    rows = [row for row in tx.execute(statement) if (row[0], row[1], row[2]) in believed]
    return {row[0]: Counted(watermark=row[3], deferred=row[4], pending=row[5]) for row in rows}


def standings(tx: Connection, mailing_ids: Collection[int]) -> tuple[datetime, Mapping[int, Standing]]:
    """The database's time, and how these mailings stand; at least one."""
    of_mailing = (mailing.c.id, mailing.c.state, mailing.c.started_at, mailing.c.stream.is_not(None), mailing.c.resent_at)
    rows = tx.execute(select(func.clock_timestamp(), *of_mailing).where(mailing.c.id.in_(mailing_ids))).all()
    now = rows[0][0]
    return now, {id_: Standing(MailingState(state), started_at or now, *rest) for _, id_, state, started_at, *rest in rows}


# One index scan per batch, whatever the statistics say: hence LATERAL. What is open is the predicate of the worklist
# (`mailq.store.deliveries`), by the values stored in the batch's row.
_SEIZED = """
  FROM unnest(CAST(:ids AS bigint[]), CAST(:mailings AS bigint[]), CAST(:firsts AS int[]), CAST(:lasts AS int[]),
              CAST(:watermarks AS int[]), CAST(:fences AS int[]), CAST(:starts AS timestamptz[]))
       AS b (id, mailing_id, first_seq, last_seq, watermark, fence, pass_started_at)
"""
_IS_OPEN = "seq <= b.watermark AND pass < b.fence AND (due_at IS NULL OR due_at <= b.pass_started_at)"
_OPEN = text(f"""
SELECT b.id, one.seq, one.state, one.attempts
{_SEIZED}
 CROSS JOIN LATERAL (
       SELECT seq, state, attempts FROM delivery
        WHERE mailing_id = b.mailing_id AND seq BETWEEN b.first_seq AND b.watermark AND state IN ('pending', 'deferred')
          AND {_IS_OPEN}) AS one
 ORDER BY b.id, one.seq
""")  # noqa: S608 - made of our own words
_REST = text(f"""
SELECT b.id, rest.*
{_SEIZED}
 CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE state = 'pending') AS pending, count(*) FILTER (WHERE state = 'deferred') AS deferred,
              min(due_at) AS next_due_at
         FROM delivery
        WHERE mailing_id = b.mailing_id AND seq BETWEEN b.first_seq AND b.last_seq AND state IN ('pending', 'deferred')
          AND NOT ({_IS_OPEN})) AS rest
""")  # noqa: S608 - made of our own words


def opened(tx: Connection, seized: Sequence[tuple[Claim, Counted]]) -> dict[int, list[Open]]:
    """Read what is open of batches whose rows the caller has locked, by batch; those of which nothing is are left out."""
    found: dict[int, list[Open]] = {}
    for row in tx.execute(_OPEN, _facts(seized)):
        found.setdefault(row[0], []).append(Open(row[1], State(row[2]), row[3]))
    return found


def rest(tx: Connection, seized: Sequence[tuple[Claim, Counted]]) -> dict[int, Left]:
    """Count what is left besides what is open, of batches whose rows the caller has locked, by batch."""
    if not seized:
        return {}
    return {row.id: Left(row.pending, row.deferred, row.next_due_at) for row in tx.execute(_REST, _facts(seized))}


_TAKE = text("""
UPDATE batch
   SET state = new.state, due_at = new.due_at, rung_at = NULL, fence = batch.fence + 1, ledger_no = batch.ledger_no + 1,
       num_sent = num_sent + new.sent, num_errors = num_errors + new.errors, num_skipped = num_skipped + new.skipped,
       num_deferred = num_deferred + new.deferred, num_in_doubt = num_in_doubt + new.in_doubt,
       finished_at = CASE WHEN new.state IN ('finished', 'cancelled') THEN now() END,
       owner = NULL, server_id = NULL, incarnation = NULL
  FROM unnest(CAST(:ids AS bigint[]), CAST(:fences AS int[]), CAST(:states AS text[]), CAST(:due_ats AS timestamptz[]),
              CAST(:sent AS int[]), CAST(:errors AS int[]), CAST(:skipped AS int[]), CAST(:deferred AS int[]),
              CAST(:in_doubt AS int[]))
       AS new (id, fence, state, due_at, sent, errors, skipped, deferred, in_doubt)
 WHERE batch.id = new.id AND batch.id = ANY(CAST(:ids AS bigint[])) AND batch.fence = new.fence AND batch.state = 'leased'
""")


def take(tx: Connection, takings: Sequence[Taking]) -> None:
    """Take batches, whose rows `seize` has locked, from their owners: the fence rises, so that nothing an owner still writes counts.

    Raises:
        BooksDiffer: one was not as it was seized; roll back.
    """
    facts = {
        "ids": [one.claim.batch_id for one in takings],
        "fences": [one.claim.fence for one in takings],
        "states": [one.state.value for one in takings],
        "due_ats": [one.due_at for one in takings],
        "sent": [one.gain.sent for one in takings],
        "errors": [one.gain.errors for one in takings],
        "skipped": [one.gain.skipped for one in takings],
        "deferred": [one.gain.deferred for one in takings],
        "in_doubt": [one.gain.in_doubt for one in takings],
    }
    written = tx.execute(_TAKE, facts).rowcount
    if written != len(takings):
        raise BooksDiffer(f"{len(takings)} batches to reclaim, {written} were as expected")


def _leased(tx: Connection, which: ColumnElement[bool]) -> list[Leased]:
    columns = (batch, server.c.home.label("server_home"), server.c.boot_id.label("server_boot_id"))
    statement = select(*columns).join(server, server.c.id == batch.c.server_id)
    rows = tx.execute(statement.where(which, batch.c.state == BatchState.LEASED).order_by(batch.c.id))
    return [
        Leased(
            as_claim(row, Owner(row.server_id, row.incarnation, row.owner)),
            row.journal,
            row.relay,
            row.server_home,
            row.server_boot_id,
        )
        for row in rows
    ]


def _facts(seized: Sequence[tuple[Claim, Counted]]) -> Mapping[str, Any]:
    claims = [claim for claim, _ in seized]
    return {
        "ids": [claim.batch_id for claim in claims],
        "mailings": [claim.mailing_id for claim in claims],
        "firsts": [claim.first_seq for claim in claims],
        "lasts": [claim.last_seq for claim in claims],
        "watermarks": [counted.watermark for _, counted in seized],
        "fences": [claim.fence for claim in claims],
        "starts": [claim.pass_started_at for claim in claims],
    }
