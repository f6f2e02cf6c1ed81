"""Calls of an organization: sent, found, listed, taken back; what they came to, and what became of their answers."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from mailq.admin import pages
from mailq.admin.pages import Page
from mailq.core.call import State
from mailq.core.call_result import CallResult
from mailq.engine.calls import at_once, cancelling, receiving
from mailq.engine.calls.at_once import AtRest, Ended
from mailq.engine.calls.kind import Means
from mailq.engine.calls.order import CallOrder
from mailq.engine.calls.receiving import Received, Terms
from mailq.engine.calls.responses import Respond
from mailq.errors import BadInput, NotFound, Unavailable
from mailq.store import call_results, call_turns, calls, conversations, faults, notifications
from mailq.store.call_results import After, Extracted
from mailq.store.calls import Found
from mailq.store.database import Transactions
from mailq.store.notifications import Found as Notification

__all__ = [
    "After",
    "AtRest",
    "CallResult",
    "Ended",
    "Extract",
    "Extracted",
    "Found",
    "Notification",
    "Page",
    "Received",
    "Shown",
    "State",
    "cancel",
    "extract",
    "extract_page",
    "find",
    "list_",
    "results",
    "run",
    "send",
    "show",
]

IN_THE_WAY_S = 5.0
"""How long a synchronous call waits for what other transactions hold."""

_PAGE = 1000
_TRIES = 5


class Shown(NamedTuple):
    """A call with what it came to, both of one moment.

    Attributes:
        results: in the order of the objects; none of a call that has not run.
        notifications: the answers to it, the first one first; those about its conversation are the conversation's.
    """

    call: Found
    results: list[CallResult]
    notifications: list[Notification]


class Extract(NamedTuple):
    """The results of a time range, to be read once.

    Attributes:
        num: how many they were when it was asked for.
    """

    num: int
    rows: Iterator[Extracted]


def send(database: Transactions, organization_id: int, order: CallOrder, *, terms: Terms) -> Received:
    """Accept a call, to be run by the leader. The same call again is the one that was received then.

    Raises:
        Conflict: its key or its place is another's, or its conversation has ended, or ends because this part is late.
        BadInput: its time is past.
    """
    with database.begin() as tx:
        [answer] = receiving.receive(tx, organization_id, [order], terms=terms)
    # Behind the commit: a refusal may have ended a conversation.
    if not isinstance(answer, Received):
        raise answer
    return answer


def run(database: Transactions, organization_id: int, order: CallOrder, *, means: Means, terms: Terms) -> Ended:
    """Run a synchronous call, here and now; anew where it and others wait for each other, and PostgreSQL has broken it off for them.

    Raises:
        AtRest: nothing is processed now.
        Conflict: its key belongs to another call.
    """
    for _ in range(_TRIES - 1):
        try:
            return _run(database, organization_id, order, means, terms)
        except Unavailable as error:
            if not faults.was_crossed(error):
                raise
    return _run(database, organization_id, order, means, terms)


def _run(database: Transactions, organization_id: int, order: CallOrder, means: Means, terms: Terms) -> Ended:
    with database.begin() as tx:
        call_turns.wait_at_most(tx, IN_THE_WAY_S)
        return at_once.run_now(tx, organization_id, order, means=means, terms=terms)


def find(database: Transactions, organization_id: int | None, request_id: str) -> Found:
    """A call as it stands.

    Raises:
        NotFound: the organization has no such call, or it has been pruned.
    """
    with database.begin() as tx:
        return required(calls.find(tx, organization_id, request_id), request_id)


def show(database: Transactions, organization_id: int | None, request_id: str) -> Shown:
    """A call with its results and answers.

    Raises:
        NotFound: the organization has no such call, or it has been pruned.
    """
    with database.begin() as tx:
        found = required(calls.find(tx, organization_id, request_id), request_id)
        return Shown(found, call_results.of_call(tx, found.id), notifications.of_call(tx, organization_id, request_id))


def results(database: Transactions, organization_id: int | None, request_id: str) -> list[CallResult]:
    """What became of the objects of a call, in their order; none of a call that has not run.

    Raises:
        NotFound: the organization has no such call, or it has been pruned.
    """
    with database.begin() as tx:
        return call_results.of_call(tx, required(calls.find(tx, organization_id, request_id), request_id).id)


def list_(
    database: Transactions,
    organization_id: int | None,
    *,
    limit: int = 50,
    cursor: str | None = None,
    states: Sequence[State] = (),
    conversation_id: str | None = None,
) -> Page[Found]:
    """Calls, the newest first.

    Args:
        states: only those in one of them.
        conversation_id: only the parts of this conversation; then it must be said whose.

    Raises:
        NotFound: the organization has never used this conversation_id.
        BadInput: the cursor is none of this list, or the page is too long.
    """
    pages.require_limit(limit)
    with database.begin() as tx:
        row = None
        if conversation_id is not None:
            if organization_id is None:
                raise BadInput("a conversation_id is one organization's: say which", field="organization")
            conversation = conversations.find(tx, organization_id, conversation_id)
            if conversation is None:
                raise NotFound(f"there is no conversation `{conversation_id}`")
            row = conversation.id
        last = None if cursor is None else calls.find(tx, organization_id, cursor)
        if cursor is not None and last is None:
            raise pages.not_ours(cursor)
        before = None if last is None else last.id
        found = calls.listed(tx, organization_id, limit=limit + 1, before=before, states=states, conversation=row)
    return pages.cut(found, limit, lambda each: each.request_id)


def cancel(database: Transactions, organization_id: int | None, request_id: str, *, respond: Respond) -> Found:
    """Take a call back that has not run; one that was taken back before is no mistake.

    Raises:
        NotFound: the organization has no such call, or it has been pruned.
        Conflict: it has run or is just running, or is a part of a conversation.
    """
    with database.begin() as tx:
        return cancelling.cancel(tx, organization_id, request_id, respond=respond)


def extract(database: Transactions, organization_id: int, *, since: datetime, until: datetime) -> Extract:
    """The results of calls that ended in a time range, in the order of their ends, whatever their number.

    Args:
        until: not included.

    Raises:
        BadInput: a time has no zone, or the range no length.
    """
    for name, moment in (("from", since), ("to", until)):
        if moment.tzinfo is None:
            raise BadInput(f"{name}: needs a time zone, such as 2026-12-24T18:00+01:00", field=name)
    if not since < until:
        raise BadInput("to: must be later than from", field="to")
    with database.begin() as tx:
        num = call_results.num_in(tx, organization_id, since=since, until=until)
    return Extract(num, _extracted(database, organization_id, since, until))


def extract_page(
    database: Transactions, organization_id: int, *, since: datetime, until: datetime, after: After | None = None
) -> tuple[list[Extracted], After | None]:
    """Some of them, in a transaction of their own, so that nothing is held up by who reads slowly; and behind what the next ones come,
    None if there are no more.

    Args:
        after: what came with those before.
    """
    with database.begin() as tx:
        page = call_results.extract(tx, organization_id, since=since, until=until, limit=_PAGE, after=after)
    if len(page) < _PAGE:
        return page, None
    return page, After(page[-1].ended_at, page[-1].call_id, page[-1].result.ordinal)


def _extracted(database: Transactions, organization_id: int, since: datetime, until: datetime) -> Iterator[Extracted]:
    page, after = extract_page(database, organization_id, since=since, until=until)
    yield from page
    while after is not None:
        page, after = extract_page(database, organization_id, since=since, until=until, after=after)
        yield from page


def required(found: Found | None, request_id: str) -> Found:
    """A call that has to be there.

    Raises:
        NotFound: it is not.
    """
    if found is None:
        raise NotFound(f"there is no call `{request_id}`", listing="call list")
    return found
