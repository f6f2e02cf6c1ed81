"""Errors that are sent again: found by the counters of their batches, and opened a batch at a time.

The order of locks, and what holds while a batch is leased, are those of `doubts`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, select, text, update

from mailq.core.delivery import NEXT, State
from mailq.core.mailing import Lane
from mailq.core.resending import GIVEN_UP
from mailq.core.suppression import stopping
from mailq.core.transitions import require
from mailq.store.address_keys import key_of
from mailq.store.doubts import Locked, opened_again
from mailq.store.tables import batch, mailing


class Whose(NamedTuple):
    """Whose mailing it is, and how urgent: by that, who must not be mailed."""

    organization_id: int
    lane: Lane


class Named(NamedTuple):
    """A delivery that somebody named; `suppressed` says why its address must not be mailed."""

    asked: str
    seq: int
    batch_id: int
    state: str
    suppressed: str | None


def batches_with(tx: Connection, mailing_id: int) -> list[int]:
    """The batches of a mailing in which something ended in an error."""
    statement = select(batch.c.id).where(batch.c.mailing_id == mailing_id, batch.c.num_errors > 0).order_by(batch.c.id)
    return list(tx.execute(statement).scalars())


# An address may stand for several deliveries: those in error are meant, or else the first one, for the refusal to say how it stands.
_NAMED = text(f"""
WITH named AS (
    SELECT seq::text AS asked, delivery.* FROM delivery WHERE mailing_id = :mailing_id AND seq = ANY(CAST(:seqs AS bigint[]))
    UNION ALL
    SELECT asked.address, delivery.*
      FROM unnest(CAST(:addresses AS text[])) AS asked (address)
      JOIN delivery ON delivery.mailing_id = :mailing_id AND address_key(delivery.address) = address_key(asked.address)
       AND lower(delivery.address) = lower(asked.address COLLATE "C"))
SELECT named.asked, named.seq, named.batch_id, named.state, suppression.reason AS suppressed
  FROM named LEFT JOIN suppression
    ON suppression.organization_id = :organization_id AND suppression.reason = ANY(CAST(:reasons AS text[]))
   AND suppression.address = {key_of("named.address")}
 ORDER BY named.asked, named.state <> 'error', named.seq
""")  # noqa: S608 - made of our own words


def named(tx: Connection, mailing_id: int, whose: Whose, who: Sequence[int | str]) -> list[Named]:
    """Deliveries of a mailing by what they were asked for: a seq, or an address in whatever case it is written.

    Those in error come first of what one asked for may mean.
    """
    asked = {"mailing_id": mailing_id, "organization_id": whose.organization_id, "reasons": stopping(whose.lane)}
    asked |= {
        "seqs": [each for each in who if isinstance(each, int)],
        "addresses": [each for each in who if isinstance(each, str)],
    }
    return [Named._make(row) for row in tx.execute(_NAMED, asked)]


_OPEN = text(f"""
UPDATE delivery SET state = 'pending', pass = :fence, attempts = 0, reply = NULL, settled_at = NULL
 WHERE mailing_id = :mailing_id AND seq BETWEEN :first_seq AND :last_seq AND state = 'error'
   AND (settled_at IS NULL OR settled_at <= :until)
   AND CASE WHEN CAST(:seqs AS bigint[]) IS NULL THEN coalesce(reply, '') NOT LIKE :given_up || '%' ELSE seq = ANY(:seqs) END
   AND NOT EXISTS (SELECT FROM suppression
                    WHERE organization_id = :organization_id AND reason = ANY(CAST(:reasons AS text[]))
                      AND suppression.address = {key_of("delivery.address")})
RETURNING seq
""")  # noqa: S608 - made of our own words


def reopen(tx: Connection, locked: Locked, whose: Whose, *, until: datetime, seqs: Sequence[int] | None = None) -> list[int]:
    """Let errors of a locked batch be pending as if nobody had tried them, move the counters, open the batch again; their seqs.

    What somebody has suppressed since stays as it is. The caller locks the mailing next, and opens it again if it is finished.

    Args:
        until: what became an error later has been sent again already.
        seqs: only these; None is every error but those that were in doubt and given up: their recipients may have got it.
    """
    require(NEXT, State.ERROR, State.PENDING)
    facts = {name: getattr(locked, name) for name in ("mailing_id", "fence", "first_seq", "last_seq")}
    facts |= {"organization_id": whose.organization_id, "reasons": stopping(whose.lane), "given_up": GIVEN_UP}
    opened = sorted(tx.execute(_OPEN, facts | {"until": until, "seqs": None if seqs is None else list(seqs)}).scalars())
    if opened:
        values = {"num_errors": batch.c.num_errors - len(opened), **opened_again(locked)}
        tx.execute(update(batch).where(batch.c.id == locked.batch_id).values(**values))
    return opened


def note(tx: Connection, mailing_id: int) -> None:
    """Note that errors of a mailing, whose row the caller has locked, are sent again: their age is counted from now."""
    tx.execute(update(mailing).where(mailing.c.id == mailing_id).values(resent_at=func.clock_timestamp()))
