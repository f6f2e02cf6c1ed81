"""What a worker needs of a mailing to make its letters."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from mailq.core.mailing import Lane
from mailq.store.tables import batch, mailing


@dataclass(frozen=True, slots=True)
class MailingFacts:
    """A mailing as its batches see it; `content` is what `Content.as_mapping` wrote."""

    mailing_id: int
    name: str
    lane: Lane
    content: Mapping[str, object]
    started_at: datetime
    num_batches: int


def of_mailing(tx: Connection, mailing_id: int) -> MailingFacts:
    """The facts of a mailing that runs."""
    batches = select(func.max(batch.c.number)).where(batch.c.mailing_id == mailing_id).scalar_subquery()
    started_at = func.coalesce(mailing.c.started_at, mailing.c.created_at)
    row = tx.execute(
        select(
            mailing.c.name, mailing.c.lane, mailing.c.content, started_at.label("started_at"), batches.label("num_batches")
        ).where(mailing.c.id == mailing_id)
    ).one()
    return MailingFacts(mailing_id, row.name, Lane(row.lane), row.content, row.started_at, row.num_batches)
