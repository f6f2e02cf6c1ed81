"""Recipient lists: subscribers and addresses under one key. A mailing that names a list copies who is on it at that moment."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from mailq.core.address import normalise
from mailq.core.call import Method
from mailq.core.plain_json import to_json
from mailq.engine.calls import recipients
from mailq.engine.calls.fields import NAME as SHORT
from mailq.engine.calls.fields import Field, Record
from mailq.engine.calls.kind import Done, Kind, Means, common
from mailq.errors import BadInput, Conflict, NotFound
from mailq.store import recipient_lists, subscribers
from mailq.store.recipient_lists import Member, RecipientList

NAME = "recipient_list"

_COMMON = common(NAME, customer_key="your own key for the list")

RECORDS = {
    Method.CREATE: Record(
        {
            **_COMMON,
            "name": Field(SHORT, "what people call it", required=True, examples=("Friends of the shop",)),
            "recipients": Field(recipients.OF_LIST, "who is on it", nullable=True),
        },
        "A list whose key is not known yet.",
    ),
    Method.UPDATE: Record(
        {
            **_COMMON,
            "name": Field(SHORT, "what people call it from now on"),
            "remove": Field(recipients.NAMED, "who is taken off it first; who is not on it is no mistake", nullable=True),
            "recipients": Field(recipients.OF_LIST, "who is put in behind the others, or gets these variables", nullable=True),
        },
        "What has changed of a list; the rest stays as it is. Mailings that have copied it are not changed.",
        some_of=("name", "remove", "recipients"),
    ),
    Method.DELETE: Record(_COMMON, "Forget a list. The subscribers on it, and the mailings that have copied it, stay."),
}


def check(_method: Method, given: Mapping[str, Any]) -> None:
    """See `kind.Check`: nobody is named twice."""
    for name in ("remove", "recipients"):
        recipients.require_each_once(given.get(name) or (), f"/{name}")


def _create(tx: Connection, means: Means, given: Mapping[str, Any]) -> Done:
    key = given["customer_key"]
    list_id = recipient_lists.create(tx, means.organization_id, key, given["name"])
    if list_id is None:
        raise Conflict(f"there is a recipient list `{key}` already; update it, or give this one a key of its own")
    put = recipient_lists.put(tx, list_id, _members(tx, means, given))
    return Done(f"recipient list `{key}` was made, with {put.num_added:,} recipients", details={"num_added": put.num_added})


def _update(tx: Connection, means: Means, given: Mapping[str, Any]) -> Done:
    found = _locked(tx, means, given)
    num_removed = _take_off(tx, found.id, given.get("remove") or ())
    put = recipient_lists.put(tx, found.id, _members(tx, means, given))
    recipient_lists.note_changed(tx, found.id, name=given.get("name"))
    return Done(f"recipient list `{found.customer_key}` was changed", details={**put._asdict(), "num_removed": num_removed})


def _delete(tx: Connection, means: Means, given: Mapping[str, Any]) -> Done:
    found = _locked(tx, means, given)
    recipient_lists.remove(tx, found.id)
    return Done(f"recipient list `{found.customer_key}` was deleted")


def _locked(tx: Connection, means: Means, given: Mapping[str, Any]) -> RecipientList:
    found = recipient_lists.by_key(tx, means.organization_id, given["customer_key"], lock=True)
    if found is None:
        raise NotFound(f"there is no recipient list `{given['customer_key']}`")
    return found


def _take_off(tx: Connection, list_id: int, named: Sequence[Mapping[str, Any]]) -> int:
    if not named:
        return 0
    addresses = [normalise(each["address"]).text for each in named if "address" in each]
    keys = [each["subscriber"] for each in named if "subscriber" in each]
    return recipient_lists.take_off(tx, list_id, subscriber_keys=keys, addresses=addresses)


def _members(tx: Connection, means: Means, given: Mapping[str, Any]) -> list[Member]:
    """Who is put in.

    Raises:
        BadInput: one is said to be a subscriber, and there is none; the pointer names the first.
    """
    said = given.get("recipients") or ()
    keys = [each["subscriber"] for each in said if "subscriber" in each]
    ids = subscribers.ids_of(tx, means.organization_id, keys) if keys else {}
    return [_member(each, ids, f"/recipients/{place}") for place, each in enumerate(said)]


def _member(said: Mapping[str, Any], ids: Mapping[str, int], where: str) -> Member:
    variables = to_json(said.get("variables", {}))
    if "address" in said:
        return Member(None, normalise(said["address"]).text, variables)
    subscriber_id = ids.get(said["subscriber"])
    if subscriber_id is None:
        raise BadInput(f"there is no subscriber `{said['subscriber']}`", field=f"{where}/subscriber")
    return Member(subscriber_id, None, variables)


KIND = Kind(
    NAME,
    "Subscribers and addresses under one key, for mailings to copy.",
    {Method.CREATE: _create, Method.UPDATE: _update, Method.DELETE: _delete},
    RECORDS,
    check,
)
