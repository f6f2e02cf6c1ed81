"""Makes a mailing in one transaction: the order, and the recipients that came with it, if any did."""

from sqlalchemy import Connection

from mailq.engine import drafting
from mailq.engine.intake.order import MailingOrder
from mailq.engine.intake.source import Source
from mailq.engine.repeating import once
from mailq.errors import Conflict
from mailq.store import mailings
from mailq.store.mailings import Mailing


def make(
    tx: Connection, organization_id: int, order: MailingOrder, source: Source | None, *, start: bool, digest: str
) -> tuple[Mailing, bool]:
    """Make a mailing, put its recipients in, and start it if it shall be; whether it is new. All of it is done, or nothing.

    Args:
        digest: of all that the producer said: with a key that is known, what is said again is done already.

    Raises:
        BadInput: a template, a time or a recipient's variables are at fault.
        Conflict: the key belongs to another request, or the mailing that is to be started has no recipients.
    """
    mailing, created = drafting.create(tx, organization_id, order)

    def finish() -> dict[str, str]:
        if source is not None:
            _require_new(mailing, created=created)
            drafting.put_in(tx, mailing, source)
        if start:
            drafting.complete(tx, organization_id, mailing.public_id)
        return {}

    once(tx, mailing, order.key, digest, finish)
    return mailings.get(tx, mailing.id), created


def _require_new(mailing: Mailing, *, created: bool) -> None:
    if not created:
        raise Conflict(f"the key `{mailing.key}` belongs to mailing {mailing.public_id}, which was made without these recipients")
