"""What is in doubt: listed, and settled by a person."""

from collections.abc import Sequence

from mailq.admin import pages
from mailq.admin.pages import Page
from mailq.core.in_doubt import Verdict
from mailq.core.outcome import Doubt
from mailq.engine import doubt_lists
from mailq.engine import doubts as engine
from mailq.engine.doubt_lists import Named
from mailq.engine.doubts import Settled
from mailq.errors import NotFound
from mailq.store import doubts, mailings
from mailq.store.database import Database
from mailq.store.doubts import Listed

__all__ = ["Doubt", "Listed", "Named", "Page", "Settled", "Verdict", "list_", "resolve", "resolve_named"]


def list_(
    database: Database,
    organization_id: int | None,
    *,
    reference: str | None = None,
    reason: Doubt | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> Page[Listed]:
    """What is in doubt, in the order of the mailings and their recipients.

    Args:
        reference: only of this mailing.
        reason: only for this reason.

    Raises:
        NotFound: the organization has no such mailing.
        BadInput: the cursor is none of this list, or the page is too long.
    """
    pages.require_limit(limit)
    with database.begin() as tx:
        after = None
        if cursor is not None:
            public_id, _, seq = cursor.partition(".")
            if not (seq.isascii() and seq.isdigit() and len(seq) <= pages.SEQ_DIGITS):
                raise pages.not_ours(cursor)
            try:
                after = mailings.by_public_id(tx, public_id, organization_id=organization_id).id, int(seq)
            except NotFound:
                raise pages.not_ours(cursor) from None
        mailing_id = None if reference is None else mailings.find(tx, reference, organization_id=organization_id).id
        found = list(
            doubts.listed(tx, mailing_id=mailing_id, organization_id=organization_id, reason=reason, after=after, limit=limit + 1)
        )
    return pages.cut(found, limit, lambda each: f"{each.mailing}.{each.seq}")


def resolve(
    database: Database,
    organization_id: int | None,
    reference: str,
    verdict: Verdict,
    *,
    actor: str,
    who: Sequence[int | str] = (),
    reason: Doubt | None = None,
) -> Settled:
    """Say what becomes of what is in doubt in a mailing: of all of it, or of some recipients.

    Args:
        actor: who says so, for the audit.
        who: recipients by address or number: all of them are settled, or none; empty for everything of the mailing.
        reason: only what is in doubt for this reason; not together with `who`.

    Raises:
        NotFound: the organization has no such mailing, or the mailing no such recipient.
        Conflict: nothing of it is in doubt, or it is over and was to be sent again.
        BadInput: a recipient is named twice.
    """
    if not who:
        return engine.resolve_mailing(database, reference, verdict, actor=actor, reason=reason, organization_id=organization_id)
    named = [Named(reference, each, verdict) for each in who]
    return resolve_named(database, organization_id, named, actor=actor)


def resolve_named(database: Database, organization_id: int | None, named: Sequence[Named], *, actor: str) -> Settled:
    """The same for recipients of several mailings, each with a verdict of its own: all of them, or none."""
    return doubt_lists.resolve(database, named, actor=actor, organization_id=organization_id)
