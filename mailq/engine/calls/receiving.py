"""Calls are received: put down in their producer's own transaction, each once for its key or its place in a conversation."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from mailq.core.call import State
from mailq.engine.calls import parts
from mailq.engine.calls.entering import Entered, Refusal, enter, entry
from mailq.engine.calls.order import CallOrder
from mailq.engine.calls.terms import Terms
from mailq.store import waking
from mailq.store.waking import News

__all__ = ["Received", "Refusal", "Terms", "receive"]


@dataclass(frozen=True, slots=True)
class Received:
    """A call that was received.

    Attributes:
        created: False if the same call had been received before.
        state: as it is now; of one received before whatever it has come to.
        conversation_id, sequence_code: its place, as it was said; None outside of any conversation.
    """

    request_id: str
    created: bool
    state: State
    conversation_id: str | None = None
    sequence_code: int | None = None


def receive(tx: Connection, organization_id: int, orders: Sequence[CallOrder], *, terms: Terms) -> list[Received | Refusal]:
    """Put calls down, and wake the leader, when and if this transaction commits; an answer for each, in their order.

    A key or a place that is known for the same words is the call that was received then, whatever has become of it. Refused, as a
    value that leaves the other calls and the transaction as they are: a key or a place that is known for other words, a part of a
    conversation that has ended, one that comes too late (its conversation ends with that), a time that is past.
    """
    alone = [place for place, order in enumerate(orders) if order.conversation_id is None]
    others = [place for place, order in enumerate(orders) if order.conversation_id is not None]
    found: dict[int, Entered | Refusal] = {}
    if alone:
        entered = enter(tx, organization_id, [entry(orders[place]) for place in alone], terms=terms)
        found |= zip(alone, entered, strict=True)
    if others:
        received = parts.receive(tx, organization_id, [orders[place] for place in others], terms=terms)
        found |= zip(others, received, strict=True)
    answers = [_answer(order, found[place]) for place, order in enumerate(orders)]
    # Also for what is refused: a conversation may be late.
    if any(not isinstance(each, Received) or (each.created and each.state is not State.WAITING) for each in answers):
        waking.wake(tx, News.CALLS)
    return answers


def _answer(order: CallOrder, found: Entered | Refusal) -> Received | Refusal:
    if not isinstance(found, Entered):
        return found
    code = None if order.conversation_id is None else order.sequence_code
    return Received(found.call.public_id, found.created, found.call.state, order.conversation_id, code)
