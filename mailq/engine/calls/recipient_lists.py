"""Recipient lists: subscribers and addresses under one key. A mailing that names a list copies who is on it at that moment."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from mailq.core.call import Method
from mailq.engine.calls import recipients
from mailq.engine.calls.fields import NAME as SHORT
from mailq.engine.calls.fields import Field, Record
from mailq.engine.calls.kind import Done, Kind, Means, common
from mailq.errors import Conflict

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


def _later(tx: Connection, means: Means, given: Mapping[str, Any]) -> Done:
    raise Conflict("not in this version")


KIND = Kind(
    NAME,
    "Subscribers and addresses under one key, for mailings to copy.",
    {Method.CREATE: _later, Method.UPDATE: _later, Method.DELETE: _later},
    RECORDS,
    check,
)
