"""Mailings: one content for many recipients, made, changed, started and steered by their producer's own key."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from mailq.core.call import Method
from mailq.engine.calls.kind import Done, Kind, Means
from mailq.engine.calls.mailing_records import NAME, RECORDS, check
from mailq.errors import Conflict


def _later(tx: Connection, means: Means, given: Mapping[str, Any]) -> Done:
    raise Conflict("not in this version")


KIND = Kind(
    NAME,
    "One content for many recipients, by your own key: made and filled, started, steered, and sent again to who did not get it.",
    {Method.CREATE: _later, Method.UPDATE: _later, Method.DELETE: _later, Method.PERFORM: _later},
    RECORDS,
    check,
)
