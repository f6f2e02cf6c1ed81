"""Subscribers: an address with attributes, by its producer's own key, and whether it wants mail.

Whoever is `unsubscribed` or `held` is suppressed as well, so that no mailing reaches the address by another way. What was suppressed
for the subscriber's status alone is taken back with it; what anybody else has suppressed stays.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from mailq.core.call import Method
from mailq.core.subscriber import Status
from mailq.engine.calls.fields import Address, Choice, Field, Record, Variables
from mailq.engine.calls.kind import Done, Kind, Means, common
from mailq.engine.calls.recipients import VARIABLES
from mailq.errors import Conflict

NAME = "subscriber"

_COMMON = common(NAME, customer_key="your own key for the subscriber")
_ADDRESS = Field(Address(), "where mail goes", required=True, examples=("ann@example.org",))
_ATTRIBUTES = Field(VARIABLES, "what templates may say of them", examples=({"name": "Ann", "city": "Rome"},))
_STATUS = Field(Choice(Status), "whether they get mail; `active`, unless another is said")

RECORDS = {
    Method.CREATE: Record(
        {**_COMMON, "address": _ADDRESS, "attributes": _ATTRIBUTES, "status": _STATUS}, "A subscriber whose key is not known yet."
    ),
    Method.UPDATE: Record(
        {
            **_COMMON,
            "address": Field(Address(), "where mail goes from now on"),
            "attributes": Field(
                Variables(reserved=VARIABLES.reserved), "merged into those that are known; `null` takes one away"
            ),
            "status": Field(Choice(Status), "whether they get mail from now on"),
        },
        "What has changed of a subscriber; the rest stays as it is.",
        some_of=("address", "attributes", "status"),
    ),
    Method.DELETE: Record(_COMMON, "Forget a subscriber, on lists as well. Who was suppressed stays so."),
}


def _later(tx: Connection, means: Means, given: Mapping[str, Any]) -> Done:
    raise Conflict("not in this version")


KIND = Kind(
    NAME,
    "An address with attributes, known by your own key, and whether it gets mail.",
    {Method.CREATE: _later, Method.UPDATE: _later, Method.DELETE: _later},
    RECORDS,
)
