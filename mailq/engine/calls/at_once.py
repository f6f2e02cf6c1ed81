"""Synchronous calls: run while their producer waits, in one transaction with their place in the books."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from mailq.core.call import State
from mailq.core.call_result import CallResult
from mailq.engine.calls.ending import error_of
from mailq.engine.calls.entering import Entered, enter, entry
from mailq.engine.calls.kind import Kind, Means
from mailq.engine.calls.kinds import KINDS
from mailq.engine.calls.order import CallOrder
from mailq.engine.calls.performing import perform
from mailq.engine.calls.terms import Terms
from mailq.errors import Conflict, Unavailable
from mailq.store import call_results, call_turns, calls, maintenance
from mailq.store.call_turns import End


class AtRest(Unavailable):
    """Nothing is processed now; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that has run.

    Attributes:
        created: False if the same call had been run before: these are its results of then.
        error: why it is in error.
    """

    request_id: str
    created: bool
    state: State
    ended_at: datetime
    results: Sequence[CallResult]
    error: str | None = None


def run_now(
    tx: Connection,
    organization_id: int,
    order: CallOrder,
    *,
    means: Means,
    terms: Terms,
    kinds: Mapping[str, Kind] = KINDS,
) -> Ended:
    """Run a call in the caller's transaction, and put it down as it ended. Whoever says the same key meanwhile waits for it.

    Raises:
        AtRest: nothing is processed now.
        Unavailable: the transaction cannot go on.
        Conflict: its key belongs to another call.
    """
    [entered] = enter(tx, organization_id, [entry(order, state=State.READY)], terms=terms)
    if not isinstance(entered, Entered):
        raise entered
    if not entered.created:
        return _as_it_was(tx, organization_id, entered.call.public_id)
    if not call_turns.at_work(tx):
        raise _at_rest(tx)
    results = perform(tx, means, order.method, order.objects, request_id=entered.call.public_id, kinds=kinds)
    call_results.add(tx, {entered.call.id: results})
    error = error_of(results)
    state = State.FINISHED if error is None else State.ERROR
    ended = call_turns.end(tx, [End(entered.call.id, state, error)])
    return Ended(entered.call.public_id, True, state, ended[entered.call.id], results, error)


def _at_rest(tx: Connection) -> AtRest:
    why = (
        "in maintenance"
        if maintenance.standing(tx) is not None
        else "waiting for its operator, because its database was restored"
    )
    return AtRest(f"mailq is {why}: it accepts everything and runs nothing; send the call asynchronous, and it runs afterwards")


def _as_it_was(tx: Connection, organization_id: int, request_id: str) -> Ended:
    """What the same call came to before."""
    found = calls.find(tx, organization_id, request_id)
    if found is None or found.ended_at is None:
        raise Conflict(f"the call {request_id} of the same key has not run", field="/key")
    results = call_results.of_call(tx, found.id)
    return Ended(request_id, False, found.state, found.ended_at, results, found.error)
