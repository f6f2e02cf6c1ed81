"""Sends errors of a mailing again, because a person says so: as if nobody had tried them, and so with all their attempts and time.

Those who are named go in one transaction. Everything in error goes a batch at a time: what is done is done, and the same request
again does the rest; what ended in an error after the request was made has been sent again already, and is left alone.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from mailq import telemetry
from mailq.core.delivery import State
from mailq.core.mailing import Lane
from mailq.core.resending import refusal
from mailq.engine.reopening import past_its_time, reopen
from mailq.engine.repeating import Answer, once
from mailq.errors import BadInput, Conflict, NotFound
from mailq.store import audit, doubts, mailings, resending
from mailq.store.database import Transactions, moment
from mailq.store.mailings import Mailing
from mailq.store.resending import Named, Whose

log = telemetry.logger(__name__)

ACTION = "mailing.resend"
MOST_NAMED = 1000
MOST_BATCHES = 1000
"""Whose rows one transaction holds: those who send of them wait for its end."""


@dataclass(frozen=True, slots=True)
class Resent:
    """What is sent again: of which mailing, how many deliveries, and the lane to ring for."""

    public_id: str
    num: int
    lane: Lane


def resend(
    database: Transactions,
    reference: str,
    *,
    actor: str,
    who: Sequence[int | str] = (),
    key: str | None = None,
    organization_id: int | None = None,
) -> Resent:
    """Send errors of a mailing again: those of recipients that are named, or all. What is sent or in doubt is never touched.

    Left out are addresses that were suppressed since, and, unless they are named, recipients that were in doubt and given up:
    they may have got it.

    Args:
        actor: who says so, for the audit.
        who: recipients by address or number: all of them, or none.
        key: the producer's own name for the request: made again, nothing is sent again that was already.
        organization_id: whose mailing it must be; None is an operator, who may mean anybody's.

    Raises:
        NotFound: there is no such mailing, or no such recipient.
        Conflict: it has not started or is over; somebody who is named is not in error, or is suppressed; or the key belongs to
            another request.
        BadInput: too many are named.
    """
    if len(who) > MOST_NAMED:
        raise BadInput(f"at most {MOST_NAMED:,} recipients can be named at once", field="addresses")
    with database.begin() as tx:
        mailing = mailings.find(tx, reference, organization_id=organization_id)
        answer = once(tx, mailing, key, _digest(who), lambda: _begun(tx, mailing, who, actor))
        affected = [] if who else resending.batches_with(tx, mailing.id)
    num = int(answer["num"]) + sum(
        _reopen_all_of(database, mailing, batch_id, datetime.fromisoformat(answer["made_at"]), actor) for batch_id in affected
    )
    log.info("mailing.resent", mailing=mailing.public_id, num=num, actor=actor)
    return Resent(mailing.public_id, num, mailing.lane)


def resend_in(tx: Connection, mailing: Mailing, *, actor: str, who: Sequence[str] = ()) -> Resent:
    """The same in one transaction.

    Raises:
        Conflict: as `resend`; or errors are in too many batches for all of them to be held until the transaction ends.
        NotFound, BadInput: as `resend`.
    """
    if len(who) > MOST_NAMED:
        raise BadInput(f"at most {MOST_NAMED:,} recipients can be named at once", field="addresses")
    require_allowed(tx, mailing)
    now = moment(tx)
    num = _reopen_named(tx, mailing, who, now, actor) if who else _reopen_all(tx, mailing, now, actor)
    log.info("mailing.resent", mailing=mailing.public_id, num=num, actor=actor)
    return Resent(mailing.public_id, num, mailing.lane)


def require_allowed(tx: Connection, mailing: Mailing) -> None:
    """Refuse to send errors of a mailing again that has not started, or is over.

    Raises:
        Conflict: with the reason.
    """
    why = refusal(mailing.state, past_its_time=past_its_time(tx, mailing))
    if why is not None:
        raise Conflict(f"mailing {mailing.public_id} {why}: nothing of it can be sent again")


def _begun(tx: Connection, mailing: Mailing, who: Sequence[int | str], actor: str) -> Answer:
    """The first transaction of a request: those who are named are sent again in it, everything else needs to know when it began."""
    require_allowed(tx, mailing)
    made_at = moment(tx)
    return {"made_at": made_at.isoformat(), "num": _reopen_named(tx, mailing, who, made_at, actor) if who else 0}


def _reopen_all_of(database: Transactions, mailing: Mailing, batch_id: int, until: datetime, actor: str) -> int:
    with database.begin() as tx:
        opened = resending.reopen(tx, doubts.lock(tx, batch_id), _whose(mailing), until=until)
        if opened:
            _reopen_mailing(tx, mailing.id)
            details = {"batch_id": batch_id, "num": len(opened)}
            audit.note(tx, actor=actor, action=ACTION, mailing_id=mailing.id, details=details)
    return len(opened)


def _reopen_all(tx: Connection, mailing: Mailing, until: datetime, actor: str) -> int:
    affected = resending.batches_with(tx, mailing.id)
    if len(affected) > MOST_BATCHES:
        raise Conflict(
            f"mailing {mailing.public_id} has errors in {len(affected):,} batches, more than the {MOST_BATCHES:,} that can be"
            " held at once; use `mailqctl mailing resend` or the API's `resend`"
        )
    num_of = dict[int, int]()
    for each in [doubts.lock(tx, batch_id) for batch_id in affected]:
        if opened := resending.reopen(tx, each, _whose(mailing), until=until):
            num_of[each.batch_id] = len(opened)
    if num_of:
        _reopen_mailing(tx, mailing.id)
    for batch_id, num in num_of.items():
        audit.note(tx, actor=actor, action=ACTION, mailing_id=mailing.id, details={"batch_id": batch_id, "num": num})
    return sum(num_of.values())


def _reopen_named(tx: Connection, mailing: Mailing, who: Sequence[int | str], until: datetime, actor: str) -> int:
    by_batch = _by_batch(mailing, who, resending.named(tx, mailing.id, _whose(mailing), who))
    # Every batch before the mailing, and in one order: nobody waits for us who holds what we need.
    locked = [doubts.lock(tx, batch_id) for batch_id in sorted(by_batch)]
    for each in locked:
        wanted = sorted(by_batch[each.batch_id])
        if resending.reopen(tx, each, _whose(mailing), until=until, seqs=wanted) != wanted:
            raise Conflict(f"recipients of mailing {mailing.public_id} are being sent to by somebody else; look, and try again")
        audit.note_deliveries(tx, mailing.id, [(seq, {}) for seq in wanted], actor=actor, action=ACTION)
    _reopen_mailing(tx, mailing.id)
    return sum(map(len, by_batch.values()))


def _by_batch(mailing: Mailing, who: Sequence[int | str], found: Sequence[Named]) -> dict[int, set[int]]:
    """The errors that are meant, by their batches.

    Raises:
        NotFound, Conflict: one of those who are named cannot be sent to again; nothing was changed.
    """
    by_batch: dict[int, set[int]] = {}
    for each in who:
        meant = [one for one in found if one.asked == str(each)]
        failed = [one for one in meant if one.state == State.ERROR]
        if not meant:
            raise NotFound(f"mailing {mailing.public_id} has no recipient {each}; nothing was changed")
        if not failed:
            raise Conflict(f"{each} of mailing {mailing.public_id} is not in error: it is {meant[0].state}. Nothing was changed")
        for one in failed:
            if one.suppressed is not None:
                raise Conflict(f"{each} is suppressed ({one.suppressed}), and is not mailed; nothing was changed")
            by_batch.setdefault(one.batch_id, set()).add(one.seq)
    return by_batch


def _reopen_mailing(tx: Connection, mailing_id: int) -> None:
    reopen(tx, mailing_id, require_allowed)
    resending.note(tx, mailing_id)


def _whose(mailing: Mailing) -> Whose:
    return Whose(mailing.organization_id, mailing.lane)


def _digest(who: Sequence[int | str]) -> str:
    return hashlib.sha256(json.dumps([ACTION, *sorted(map(str, who))]).encode()).hexdigest()
