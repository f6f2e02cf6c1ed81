"""Mailings that are made in steps: drafted, filled with one upload after the other, and then complete.

Each step is one transaction, and doing it again is no mistake. From `complete` on the mailing is the leader's, who seals and starts it.
"""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Protocol, Self

from sqlalchemy import Connection

from mailq import telemetry
from mailq.clock import Clock
from mailq.core.ids import public_id
from mailq.core.mailing import State
from mailq.core.message import compile_content, read_content
from mailq.engine.filling import fill
from mailq.engine.intake.order import MailingOrder, require_names
from mailq.engine.intake.record import Part
from mailq.engine.intake.source import Source
from mailq.engine.repeating import once
from mailq.errors import BadInput, Conflict
from mailq.store import mailings, recipients, waking
from mailq.store.database import Database, moment
from mailq.store.mailings import IN_PARTS, Draft, Mailing

log = telemetry.logger(__name__)

_NOT_YET = frozenset({State.DRAFT, State.LOADING})
_OVER = frozenset({State.CANCELLED, State.EXPIRED})


@dataclass(frozen=True, slots=True)
class Uploaded:
    """The answer to an upload.

    Attributes:
        num_recipients: records it had; `num_valid` of them may be sent to, `num_invalid` cannot.
        errors: the first hundred of those that cannot, as (line, reason).
        num_profiles: recipients the mailing has now.
    """

    num_recipients: int
    num_valid: int
    num_invalid: int
    errors: tuple[tuple[int, str], ...]
    num_profiles: int

    @classmethod
    def from_mapping(cls, answer: Mapping[str, Any]) -> Self:
        """Read what was kept of it."""
        return cls(**{**answer, "errors": tuple((line, reason) for line, reason in answer["errors"])})


def draft(organization_id: int, order: MailingOrder, source_digest: str) -> Draft:
    """What an order says, as a mailing of an organization; where its recipients come in parts, `source_digest` is `IN_PARTS`."""
    return Draft(
        public_id=public_id("mlg", secrets.token_bytes(10)),
        organization_id=organization_id,
        key=order.key,
        name=order.name,
        lane=order.lane,
        doubt_policy=order.doubt_policy,
        content=order.content.as_mapping(),
        content_digest=order.digest(),
        source_digest=source_digest,
        batch_size=order.batch_size,
        scheduled_at=order.scheduled_at,
        expires_at=order.expires_at,
        repeats=order.repeats,
    )


def create(tx: Connection, organization_id: int, order: MailingOrder, *, now: datetime | None = None) -> tuple[Mailing, bool]:
    """Draft a mailing; whether it is new. With a key that is known the same order is the same mailing, wherever it stands.

    Args:
        order: of whatever organization it says, the mailing is of `organization_id`.
        now: what the database's clock has just said, to whoever has decided by it.

    Raises:
        BadInput: a template is at fault, or a time is past (of a new one).
        Conflict: the key belongs to another order.
    """
    compile_content(order.content, clock=Clock().monotonic)
    known = None if order.key is None else mailings.by_key(tx, organization_id, order.key)
    if known is None:
        now = now or moment(tx)
        _require_to_come(order, now)
        created = mailings.create(tx, draft(organization_id, order, IN_PARTS), state=State.DRAFT, now=now)
        if created is not None:
            log.info("mailing.drafted", mailing=created.public_id)
            return created, True
        known = mailings.by_key(tx, organization_id, str(order.key))
    return _same(known, order), False


def upload(
    database: Database, organization_id: int | None, reference: str, source: Source, *, key: str | None = None, digest: str = ""
) -> Uploaded:
    """Put recipients into a mailing behind those that it has: all of them, or none. Uploads at the same time go one after the other.

    Args:
        key: the producer's own name for this upload: uploaded again, the same is answered as it was before.
        digest: of all that the producer said; by default that of the source.

    Raises:
        NotFound: the organization has no such mailing.
        Conflict: it is complete, started or over, or is loaded from a file; or the key belongs to another request.
        BadInput: the source cannot be read, or lacks a variable that the content needs (field `recipients`).
        Unavailable: the database went away, or its disk is full.
    """
    with database.begin() as tx:
        found = mailings.find(tx, reference, organization_id=organization_id)
        mailings.lock_load(tx, found.id)
        mailing = mailings.get(tx, found.id)
        answer = once(tx, mailing, key, digest or source.digest, lambda: asdict(put_in(tx, mailing, source)))
    return Uploaded.from_mapping(answer)


class Filling(Protocol):
    """What a mailing can be filled with: a `Source`, or recipients that came otherwise.

    Attributes:
        where: what to call it in messages.
        columns: the names that a template may use.
    """

    where: str
    columns: frozenset[str]

    def parts(self) -> Iterator[Part]:
        """The recipients, many at a time."""


def put_in(tx: Connection, mailing: Mailing, source: Filling) -> Uploaded:
    """Put recipients into a mailing whose load is locked, or that this transaction has made.

    Raises:
        Conflict, BadInput: as `upload`.
    """
    _require_open(mailing)
    try:
        require_names(read_content(mailings.content(tx, mailing.id)), source.columns, source.where)
        filled = fill(tx, mailing, source.parts())
    except BadInput as error:
        error.field = error.field or "recipients"
        raise
    num_profiles = mailing.num_loaded + filled.num_recipients
    if not mailings.note_filled(tx, mailing.id, before=mailing.num_loaded, after=num_profiles):
        _require_open(mailings.get(tx, mailing.id))
        raise Conflict(f"mailing {mailing.public_id} was loaded by somebody else at the same time; upload again")
    num_valid = filled.num_recipients - filled.num_invalid
    return Uploaded(filled.num_recipients, num_valid, filled.num_invalid, tuple(filled.errors), num_profiles)


def redraft(tx: Connection, mailing: Mailing, order: MailingOrder) -> Mailing:
    """Let a mailing, whose row the caller has locked and which is not complete, say something else, or be sent otherwise.

    Raises:
        BadInput: a template is at fault, needs what the recipients do not have, or a time that is new is past.
        Conflict: it is complete, started or over, or is loaded from a file.
    """
    _require_open(mailing)
    compile_content(order.content, clock=Clock().monotonic)
    if (found := recipients.names_of_loaded(tx, mailing.id)) is not None:
        require_names(order.content, found, f"mailing {mailing.public_id}", field=None)
    _require_to_come(order, moment(tx), but=mailing)
    changed = mailings.rewrite(tx, mailing.id, draft(mailing.organization_id, order, IN_PARTS))
    log.info("mailing.redrafted", mailing=mailing.public_id)
    return changed


def complete(tx: Connection, organization_id: int | None, reference: str) -> Mailing:
    """Say that a mailing has all its recipients: the leader seals and starts it soon after the commit, or at its scheduled time.

    Raises:
        NotFound: the organization has no such mailing.
        Conflict: it has no recipients, is over, or is loaded from a file.
    """
    mailing = mailings.get(tx, mailings.find(tx, reference, organization_id=organization_id).id, lock=True)
    if mailing.state in _OVER:
        raise Conflict(f"mailing {mailing.public_id} is {mailing.state}: you cannot start it")
    if mailing.loaded_at is not None or mailing.state not in _NOT_YET:
        return mailing
    _require_in_parts(mailing)
    if not mailing.num_loaded:
        raise Conflict(f"mailing {mailing.public_id} has no recipients yet; upload some, then start it")
    completed = mailings.note_complete(tx, mailing.id)
    waking.wake(tx)
    log.info("mailing.completed", mailing=mailing.public_id, num_profiles=mailing.num_loaded)
    return completed


def _require_open(mailing: Mailing) -> None:
    if mailing.loaded_at is not None and mailing.state in _NOT_YET:
        raise Conflict(f"mailing {mailing.public_id} is complete: no more recipients can be uploaded")
    if mailing.state not in _NOT_YET:
        raise Conflict(f"mailing {mailing.public_id} is {mailing.state}: no more recipients can be uploaded")
    _require_in_parts(mailing)


def _require_in_parts(mailing: Mailing) -> None:
    if mailing.source_digest != IN_PARTS:
        raise Conflict(f"mailing {mailing.public_id} is loaded from a file; submit that again to finish its load")


def _require_to_come(order: MailingOrder, now: datetime, *, but: Mailing | None = None) -> None:
    """Refuse times that are past.

    Args:
        but: a mailing whose times were judged when they were said.
    """
    for field, what in (("scheduled_at", "scheduled time"), ("expires_at", "expiry time")):
        given = getattr(order, field)
        if given is not None and given <= now and (but is None or given != getattr(but, field)):
            raise BadInput(f"the {what} is past: {given.isoformat()}", field=field)


def _same(known: Mailing | None, order: MailingOrder) -> Mailing:
    if known is None:
        raise Conflict(f"another mailing of the key `{order.key}` has just been dropped; try again")
    if known.content_digest != order.digest():
        raise Conflict(
            f"the key `{known.key}` belongs to mailing {known.public_id} (`{known.name}`, {known.created_at:%Y-%m-%d %H:%M} UTC), "
            f"which has another content or other options than `{order.name}`; give this one a key of its own"
        )
    return known
