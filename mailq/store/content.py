"""What a worker needs of a mailing to make its letters."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from mailq.core.mailing import Lane
from mailq.store.prepared import Prepared


@dataclass(frozen=True, slots=True)
class MailingFacts:
    """A mailing as its batches see it; `content` is what `Content.as_mapping` wrote.

    Attributes:
        is_stream: its batches come one after the other, each as old as its messages; what is older has nothing to do with them.
    """

    mailing_id: int
    public_id: str
    name: str
    lane: Lane
    content: Mapping[str, object]
    started_at: datetime
    num_batches: int
    is_stream: bool = False

    def began(self, first_claimed_at: datetime) -> datetime:
        """When what a batch holds began to be sent, from which its age is counted.

        Args:
            first_claimed_at: the batch's first claim.
        """
        return first_claimed_at if self.is_stream else self.started_at


_OF_MAILING = Prepared(
    "mailq_content",
    "bigint",
    """
SELECT public_id, name, lane, content, coalesce(started_at, created_at) AS started_at, stream IS NOT NULL AS is_stream,
       (SELECT max(number) FROM batch WHERE mailing_id = $1) AS num_batches
  FROM mailing WHERE id = $1
""",
)


def of_mailing(tx: Connection, mailing_id: int) -> MailingFacts:
    """The facts of a mailing that runs."""
    row: Any = _OF_MAILING.execute(tx, mailing_id).one()
    return MailingFacts(
        mailing_id, row.public_id, row.name, Lane(row.lane), row.content, row.started_at, row.num_batches, row.is_stream
    )
