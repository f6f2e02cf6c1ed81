"""Calls are entered in the books, each once for its key."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from mailq.core.call import RANK, State
from mailq.core.ids import public_id
from mailq.core.plain_json import to_json
from mailq.engine.calls.order import CallOrder, as_mapping
from mailq.engine.calls.terms import Terms
from mailq.errors import BadInput, Conflict
from mailq.store import calls
from mailq.store.calls import Entry, Known

Refusal = Conflict | BadInput
_SCHEDULED_TIME = "/options/scheduled_time"


@dataclass(frozen=True, slots=True)
class Entered:
    """A call that is in the books.

    Attributes:
        created: False if it was there before.
    """

    call: Known
    created: bool


def entry(order: CallOrder, *, state: State | None = None, conversation_id: int | None = None) -> Entry:
    """A call as it is put down.

    Args:
        state: None for what its time makes of it.
        conversation_id: the row of its conversation.
    """
    return Entry(
        public_id=public_id("req", secrets.token_bytes(10)),
        key=order.key,
        digest=order.digest(),
        method=order.method,
        objects=to_json(order.objects),
        num_objects=len(order.objects),
        responses=to_json([as_mapping(each) for each in order.responses]),
        priority=RANK[order.priority],
        state=state,
        conversation_id=conversation_id,
        sequence_code=None if conversation_id is None else order.sequence_code,
        scheduled_at=order.scheduled_time,
    )


def enter(tx: Connection, organization_id: int, entries: Sequence[Entry], *, terms: Terms) -> list[Entered | Refusal]:
    """Put calls down in one statement, and look only for those that were there before; an answer for each, in their order."""
    fresh = calls.add(tx, organization_id, entries, skew=terms.skew) if entries else {}
    keys = {each.key for each in entries if each.key is not None and each.public_id not in fresh}
    known = calls.by_keys(tx, organization_id, keys) if keys else {}
    return [
        Entered(fresh[each.public_id], True) if each.public_id in fresh else _again(each, known, terms=terms) for each in entries
    ]


def _again(each: Entry, known: Mapping[str, Known], *, terms: Terms) -> Entered | Refusal:
    before = None if each.key is None else known.get(each.key)
    if before is None:
        # What lets a new call be refused by the statement is its time alone; its key may have been given back meanwhile.
        if each.scheduled_at is None:
            return Conflict(f"the call of the key `{each.key}` has just been deleted; send it again", field="/key")
        return BadInput(
            f"scheduled_time: is past by more than {terms.skew.total_seconds():.0f} seconds, by the clock of the database",
            field=_SCHEDULED_TIME,
        )
    if before.digest != each.digest:
        return Conflict(
            f"the key `{each.key}` belongs to call {before.public_id}, which says something else; give this one its own",
            field="/key",
        )
    return Entered(before, False)
