"""Subscribers: an address with attributes, by its producer's own key, and whether it wants mail.

Whoever is `unsubscribed` or `held` is suppressed as well, so that no mailing reaches the address by another way. What was suppressed
for the subscriber's status alone is taken back with it; what anybody else has suppressed stays.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection

from mailq.core.address import Address, normalise
from mailq.core.call import Method
from mailq.core.subscriber import SUPPRESSED_AS, Status
from mailq.engine.calls import fields
from mailq.engine.calls.fields import Choice, Field, Record
from mailq.engine.calls.kind import Done, Kind, Means, common
from mailq.engine.calls.recipients import VARIABLES
from mailq.errors import Conflict, NotFound
from mailq.store import subscribers, suppressions

NAME = "subscriber"

_COMMON = common(NAME, customer_key="your own key for the subscriber")
_ADDRESS = Field(fields.Address(), "where mail goes", required=True, examples=("ann@example.org",))
_ATTRIBUTES = Field(VARIABLES, "what templates may say of them", examples=({"name": "Ann", "city": "Rome"},))
_STATUS = Field(Choice(Status), "whether they get mail; `active`, unless another is said. Any other suppresses the address, too")

RECORDS = {
    Method.CREATE: Record(
        {**_COMMON, "address": _ADDRESS, "attributes": _ATTRIBUTES, "status": _STATUS}, "A subscriber whose key is not known yet."
    ),
    Method.UPDATE: Record(
        {
            **_COMMON,
            "address": Field(fields.Address(), "where mail goes from now on"),
            "attributes": Field(VARIABLES, "merged into those that are known; `null` takes one away"),
            "status": Field(
                Choice(Status),
                "whether they get mail from now on. What was suppressed for the status before is taken back; what others suppressed stays",
            ),
        },
        "What has changed of a subscriber; the rest stays as it is.",
        some_of=("address", "attributes", "status"),
    ),
    Method.DELETE: Record(_COMMON, "Forget a subscriber, on lists as well. Who was suppressed stays so."),
}


class _Standing(NamedTuple):
    """What a subscriber is suppressed by."""

    key: str
    address: Address
    status: Status

    @property
    def note(self) -> str:
        """By which a suppression is known to be that of the subscriber's status."""
        return f"status of subscriber {self.key}"


def _create(tx: Connection, means: Means, given: Mapping[str, Any]) -> Done:
    status = Status(given.get("status", Status.ACTIVE))
    now = _Standing(given["customer_key"], normalise(given["address"]), status)
    attributes = _merged({}, given.get("attributes", {}))
    if not subscribers.create(tx, means.organization_id, now.key, address=now.address.text, attributes=attributes, status=status):
        raise Conflict(f"there is a subscriber `{now.key}` already; update it, or give this one a key of its own")
    _put_down(tx, means, now)
    return _done(tx, means, now, "was made")


def _update(tx: Connection, means: Means, given: Mapping[str, Any]) -> Done:
    key = given["customer_key"]
    known = subscribers.by_key(tx, means.organization_id, key, lock=True)
    if known is None:
        raise NotFound(f"there is no subscriber `{key}`")
    before = _Standing(key, normalise(known.address), known.status)
    address = normalise(given["address"]) if "address" in given else before.address
    now = _Standing(key, address, Status(given.get("status", known.status)))
    attributes = _merged(known.attributes, given.get("attributes", {}))
    subscribers.change(tx, known.id, address=address.text, attributes=attributes, status=now.status)
    if (before.address.key, before.status) != (address.key, now.status):
        _take_back(tx, means, before)
        _put_down(tx, means, now)
    return _done(tx, means, now, "was changed")


def _delete(tx: Connection, means: Means, given: Mapping[str, Any]) -> Done:
    key = given["customer_key"]
    if not subscribers.remove(tx, means.organization_id, key):
        raise NotFound(f"there is no subscriber `{key}`")
    return Done(f"subscriber `{key}` was deleted")


def _merged(known: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes with what is said now; null takes one away.

    Raises:
        BadInput: they are too many, or too large.
    """
    merged = {name: value for name, value in {**known, **given}.items() if value is not None}
    VARIABLES.require(merged, "/attributes")
    return merged


def _put_down(tx: Connection, means: Means, whose: _Standing) -> None:
    """Suppress the address of a status. One that is suppressed already stays as it is: somebody else may have meant it."""
    if (reason := SUPPRESSED_AS[whose.status]) is not None:
        suppressions.add(tx, means.organization_id, whose.address.key, reason, whose.note)


def _take_back(tx: Connection, means: Means, whose: _Standing) -> None:
    """Take back what was suppressed for a status, unless another subscriber of this address is to be suppressed as well."""
    if SUPPRESSED_AS[whose.status] is None:
        return
    if not suppressions.remove(tx, means.organization_id, whose.address.key, note=whose.note):
        return
    for status in (Status.HELD, Status.UNSUBSCRIBED):
        if (another := subscribers.of_status(tx, means.organization_id, whose.address.text, status)) is not None:
            _put_down(tx, means, _Standing(another, whose.address, status))


def _done(tx: Connection, means: Means, now: _Standing, what: str) -> Done:
    found = suppressions.find(tx, means.organization_id, now.address.key)
    suppressed = None if found is None else found.reason
    stays = "" if suppressed is None or now.status is not Status.ACTIVE else f"; the address stays suppressed ({suppressed})"
    return Done(f"subscriber `{now.key}` {what}{stays}", details={"status": now.status, "suppressed": suppressed})


KIND = Kind(
    NAME,
    "An address with attributes, known by your own key, and whether it gets mail.",
    {Method.CREATE: _create, Method.UPDATE: _update, Method.DELETE: _delete},
    RECORDS,
)
