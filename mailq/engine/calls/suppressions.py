"""Suppressions: addresses that shall not be mailed. They go by their address; a `customer_key` is only given back."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from mailq.core.address import normalise
from mailq.core.call import Method
from mailq.core.suppression import Reason
from mailq.engine.calls.fields import NOTE, Address, Choice, Field, Record
from mailq.engine.calls.kind import Done, Kind, Means, common
from mailq.errors import NotFound
from mailq.store import suppressions

NAME = "suppression"

_COMMON = common(NAME, customer_key="given back with its result; a suppression goes by its address", keyed=False)
_ADDRESS = Field(Address(), "whoever shall not be mailed", required=True, examples=("ann@example.org",))
_NOTE = Field(NOTE, "what else somebody should know", nullable=True)
_REASON = Field(Choice(Reason), "why; `manual`, unless another is said")

RECORDS = {
    Method.CREATE: Record(
        {**_COMMON, "address": _ADDRESS, "reason": _REASON, "note": _NOTE},
        "An address that shall not be mailed. One that is suppressed already stays as it is.",
    ),
    Method.UPDATE: Record(
        {**_COMMON, "address": _ADDRESS, "reason": _REASON, "note": _NOTE},
        "What is known of a suppression. `null` takes the note away.",
        some_of=("reason", "note"),
    ),
    Method.DELETE: Record({**_COMMON, "address": _ADDRESS}, "Let an address be mailed again."),
}


def _create(tx: Connection, means: Means, given: Mapping[str, Any]) -> Done:
    key = normalise(given["address"]).key
    reason = Reason(given.get("reason", Reason.MANUAL))
    if suppressions.add(tx, means.organization_id, key, reason, given.get("note")):
        return Done(f"{key} is suppressed from now on", details={"created": True, "reason": reason})
    known = suppressions.find(tx, means.organization_id, key)
    before = reason if known is None else known.reason
    return Done(f"{key} is suppressed already ({before}), and stays as it is", details={"created": False, "reason": before})


def _update(tx: Connection, means: Means, given: Mapping[str, Any]) -> Done:
    key = normalise(given["address"]).key
    changed = {name: given[name] for name in ("reason", "note") if name in given}
    if not suppressions.change(tx, means.organization_id, key, changed):
        raise NotFound(f"{key} is not suppressed")
    return Done(f"the suppression of {key} was changed")


def _delete(tx: Connection, means: Means, given: Mapping[str, Any]) -> Done:
    key = normalise(given["address"]).key
    if not suppressions.remove(tx, means.organization_id, key):
        raise NotFound(f"{key} is not suppressed")
    return Done(f"{key} may be mailed again")


KIND = Kind(
    NAME,
    "An address that shall not be mailed, and why.",
    {Method.CREATE: _create, Method.UPDATE: _update, Method.DELETE: _delete},
    RECORDS,
    guarded=frozenset({Method.UPDATE, Method.DELETE}),
)
