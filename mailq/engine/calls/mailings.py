"""Mailings: one content for many recipients, made, changed, started and steered by their producer's own key."""

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sqlalchemy import Connection

from mailq.core.call import Method
from mailq.core.mailing import DoubtPolicy, Lane, State
from mailq.core.message import ReadyMade, read_content
from mailq.engine import drafting, resending, steering
from mailq.engine.calls import recipients
from mailq.engine.calls.copying import copy_list
from mailq.engine.calls.fields import pointed
from mailq.engine.calls.kind import Deed, Done, Kind, Means
from mailq.engine.calls.mailing_records import NAME, OPTIONS, PARTS, RECORDS, check, moment, order
from mailq.engine.calls.plain import refusal
from mailq.engine.intake.order import MailingOrder
from mailq.engine.repeating import once
from mailq.errors import BadInput, Conflict, NotFound
from mailq.store import mailings
from mailq.store.joined import Joined
from mailq.store.mailings import IN_PARTS, Mailing

_ACTOR = "call"
"""Who says that errors are sent again, for the audit."""

_NOT_YET = frozenset({State.DRAFT, State.LOADING})


def _create(tx: Connection, means: Means, given: Mapping[str, Any]) -> Done:
    said = order(given, batch_size=means.batch_size, doubt_policy=means.doubt_policy)
    made, created = drafting.create(tx, means.organization_id, said)

    def fill() -> dict[str, int]:
        if not created and (given.get("recipients") or given.get("recipient_list")):
            raise Conflict(f"the key `{made.key}` belongs to mailing {made.public_id}, which was made without these recipients")
        return {"num_invalid": _fill(tx, made, given)}

    answer = once(tx, made, said.key, _digest(given), fill)
    was = "made" if created else "made before, of the same key and words"
    return _done(tx, made, f"was {was}", created=created, **answer)


def _update(tx: Connection, means: Means, given: Mapping[str, Any]) -> Done:
    mailing = _require_open(tx, mailings.get(tx, _known(tx, means, given).id, lock=True))
    if not given.keys().isdisjoint((*PARTS, *OPTIONS)):
        drafting.redraft(tx, mailing, _merged(tx, mailing, given, means.doubt_policy))
    return _done(tx, mailing, "was changed", num_invalid=_fill(tx, mailing, given))


def _delete(tx: Connection, means: Means, given: Mapping[str, Any]) -> Done:
    dropped = steering.drop_in(tx, _known(tx, means, given).id)
    return Done(f"mailing {dropped.public_id} was deleted", dropped.public_id, {"num_profiles": dropped.num_loaded})


def _perform(tx: Connection, means: Means, given: Mapping[str, Any]) -> Done:
    mailing = _known(tx, means, given)
    return _ACTIONS[given["action"]](tx, mailing, given)


def _start(tx: Connection, mailing: Mailing, _given: Mapping[str, Any]) -> Done:
    drafting.complete(tx, mailing.organization_id, mailing.public_id)
    return _done(tx, mailing, "was started")


def _steer(tx: Connection, mailing: Mailing, _given: Mapping[str, Any], *, steered: Callable[..., Mailing], was: str) -> Done:
    steered(Joined(tx), mailing.public_id, organization_id=mailing.organization_id)
    return _done(tx, mailing, f"was {was}")


def _resend(tx: Connection, mailing: Mailing, given: Mapping[str, Any]) -> Done:
    resent = resending.resend_in(tx, mailing, actor=_ACTOR, who=given.get("addresses", ()))
    return _done(tx, mailing, f"is sent again to {resent.num:,} recipients", num_resent=resent.num)


_ACTIONS: Mapping[str, Callable[[Connection, Mailing, Mapping[str, Any]], Done]] = {
    "start": _start,
    "pause": partial(_steer, steered=steering.pause, was="paused"),
    "resume": partial(_steer, steered=steering.resume, was="resumed"),
    # The upkeep cancels what is more than some batches.
    "cancel": partial(_steer, steered=partial(steering.cancel, at_once=1), was="cancelled"),
    "resend": _resend,
}


def _known(tx: Connection, means: Means, given: Mapping[str, Any]) -> Mailing:
    """The mailing of a key.

    Raises:
        NotFound: the organization has none.
    """
    found = mailings.by_key(tx, means.organization_id, given["customer_key"])
    if found is None:
        raise NotFound(f"there is no mailing of the key `{given['customer_key']}`")
    return found


def _require_open(tx: Connection, mailing: Mailing) -> Mailing:
    """Refuse to change a mailing that is complete, or that somebody else is filling."""
    if mailing.state not in _NOT_YET or mailing.loaded_at is not None:
        stands = "complete" if mailing.state in _NOT_YET else mailing.state
        raise Conflict(f"mailing {mailing.public_id} is {stands}: only one that was not started can be changed")
    if mailing.source_digest != IN_PARTS:
        raise Conflict(f"mailing {mailing.public_id} is loaded from a file; submit that again to finish its load")
    if not mailings.try_lock_load(tx, mailing.id):
        raise Conflict(f"mailing {mailing.public_id} is just being filled by somebody else")
    return mailing


def _fill(tx: Connection, mailing: Mailing, given: Mapping[str, Any]) -> int:
    """Put in who is named, and start it if it shall be; how many of them are no addresses."""
    num_invalid = 0
    if said := given.get("recipients"):
        num_invalid = drafting.put_in(tx, mailings.get(tx, mailing.id), recipients.Named(said)).num_invalid
    if (key := given.get("recipient_list")) is not None:
        copy_list(tx, mailings.get(tx, mailing.id), key)
    if given.get("start"):
        drafting.complete(tx, mailing.organization_id, mailing.public_id)
    return num_invalid


def _merged(tx: Connection, mailing: Mailing, given: Mapping[str, Any], doubt_policy: DoubtPolicy) -> MailingOrder:
    """What a mailing says with what is said now."""
    content = read_content(mailings.content(tx, mailing.id))
    parts = {name: given[name] for name in PARTS if name in given}
    if isinstance(content, ReadyMade):
        for name in parts:
            raise refusal(f"/{name}", "is said, and the recipients bring messages of their own")
    else:
        content = read_content({**content.as_mapping(), **parts})
    policy = given.get("doubt_policy", mailing.doubt_policy) or doubt_policy
    return MailingOrder(
        name=given.get("name", mailing.name),
        content=content,
        key=mailing.key,
        lane=Lane(given.get("lane", mailing.lane)),
        doubt_policy=DoubtPolicy(policy),
        batch_size=mailing.batch_size,
        scheduled_at=moment(given["scheduled_at"]) if "scheduled_at" in given else mailing.scheduled_at,
        expires_at=moment(given["expires_at"]) if "expires_at" in given else mailing.expires_at,
        repeats=given.get("repeats", mailing.repeats),
    )


def _digest(given: Mapping[str, Any]) -> str:
    """SHA-256 over all that was said of the mailing, as opposed to the call."""
    said = {name: value for name, value in given.items() if name != "correlation_id"}
    return hashlib.sha256(json.dumps(["create", said], sort_keys=True).encode()).hexdigest()


def _done(tx: Connection, mailing: Mailing, what: str, **details: Any) -> Done:
    now = mailings.get(tx, mailing.id)
    return Done(f"mailing {now.public_id} {what}", now.public_id, {"state": now.state, "num_profiles": now.num_loaded, **details})


def _in_pointers(deed: Deed) -> Deed:
    """A deed whose refusals name parts as the object has them."""

    def done(tx: Connection, means: Means, given: Mapping[str, Any]) -> Done:
        try:
            return deed(tx, means, given)
        except BadInput as error:
            raise pointed(error) from None

    return done


KIND = Kind(
    NAME,
    "One content for many recipients, by your own key: made and filled, started, steered, and sent again to who did not get it.",
    {
        Method.CREATE: _in_pointers(_create),
        Method.UPDATE: _in_pointers(_update),
        Method.DELETE: _delete,
        Method.PERFORM: _in_pointers(_perform),
    },
    RECORDS,
    check,
)
