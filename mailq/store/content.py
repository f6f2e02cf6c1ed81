"""What a worker needs of a mailing to make its letters."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from mailq.core.mailing import Lane, retries_began
from mailq.store.prepared import Prepared


@dataclass(frozen=True, slots=True)
class MailingFacts:
    """A mailing as its batches see it; `content` is what `Content.as_mapping` wrote. Of the rest see `retries_began`."""

    mailing_id: int
    public_id: str
    name: str
    lane: Lane
    content: Mapping[str, object]
    started_at: datetime
    num_batches: int
    is_stream: bool = False
    resent_at: datetime | None = None

    def began(self, first_claimed_at: datetime) -> datetime:
        """From when the age of the retries of a batch is counted, by its first claim."""
        return retries_began(
            started_at=self.started_at, first_claimed_at=first_claimed_at, is_stream=self.is_stream, resent_at=self.resent_at
        )


_AS_THEY_ARE = ("public_id", "name", "started_at", "num_batches", "is_stream", "resent_at")
_OF_MAILING = Prepared(
    "mailq_content",
    "bigint",
    """
SELECT public_id, name, lane, content, coalesce(started_at, created_at) AS started_at, stream IS NOT NULL AS is_stream, resent_at,
       (SELECT max(number) FROM batch WHERE mailing_id = $1) AS num_batches
  FROM mailing WHERE id = $1
""",
)


def of_mailing(tx: Connection, mailing_id: int) -> MailingFacts:
    """The facts of a mailing that runs."""
    row: Any = _OF_MAILING.execute(tx, mailing_id).one()
    return MailingFacts(
        mailing_id, content=row.content, lane=Lane(row.lane), **{name: getattr(row, name) for name in _AS_THEY_ARE}
    )


_SENDERS = text("""
SELECT seq, variables ->> 'sender' FROM delivery
 WHERE mailing_id = :mailing_id AND seq BETWEEN :first AND :last AND variables ? 'sender'
""")


def senders(tx: Connection, mailing_id: int, seqs: range) -> dict[int, str]:
    """What the deliveries of these seqs know as their sender, those that know one."""
    facts = {"mailing_id": mailing_id, "first": seqs.start, "last": seqs.stop - 1}
    return {row[0]: row[1] for row in tx.execute(_SENDERS, facts)}
