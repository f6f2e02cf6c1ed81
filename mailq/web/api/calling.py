"""How a call comes in: read, received together with others in one transaction, or run while its producer waits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anyio import to_thread
from fastapi import Request
from sqlalchemy import Connection

from mailq.admin import calls
from mailq.admin.calls import AtRest, Ended, Received
from mailq.admin.keys import Identity, Scope
from mailq.engine.calls import kinds, order, receiving
from mailq.engine.calls.addresses import Policy
from mailq.engine.calls.kind import Means
from mailq.engine.calls.order import CallOrder
from mailq.engine.calls.responses import Respond
from mailq.engine.calls.terms import Terms
from mailq.errors import Conflict
from mailq.store import maintenance as mark
from mailq.store.database import Database
from mailq.web.api.bodies import AT_ONCE, parse, require_json, whole
from mailq.web.api.call_given import CallBody
from mailq.web.api.callers import require_scope
from mailq.web.api.gathering import Write
from mailq.web.api.problems import RETRY_AFTER_S, Problem
from mailq.web.api.repeating import HEADER, given_key, one_key

_LIGHT = ("subscriber", "suppression", "recipient_list")
"""Objects that are judged in no time; others have templates to be read, or mails to be taken apart."""
_HEAVY_PARTS = ("variables", "subscriber", "mime")


@dataclass(frozen=True, slots=True)
class CallRules:
    """What holds for the calls of this installation.

    Attributes:
        means: with what calls of an organization are run.
        respond: makes the answers of calls that end here.
        policy: what answers may be asked for.
    """

    terms: Terms
    means: Callable[[int], Means]
    respond: Respond
    policy: Policy


@dataclass(frozen=True, slots=True)
class ReceivedCall:
    """A call that was received, and whether calls are being run at all; both of one transaction."""

    call: Received
    maintenance: bool


def receiver(terms: Terms) -> Write[CallOrder, ReceivedCall]:
    """What writes calls for the gatherer."""

    def write(tx: Connection, organization_id: int, orders: Sequence[CallOrder]) -> list[ReceivedCall | receiving.Refusal]:
        answers = receiving.receive(tx, organization_id, orders, terms=terms)
        # Asked once for all of them.
        standing = mark.standing(tx) is not None
        return [ReceivedCall(each, standing) if isinstance(each, Received) else each for each in answers]

    return write


async def read(request: Request, policy: Policy) -> tuple[CallOrder, bool]:
    """A call out of the body of a request, and whether its key stood in the header.

    Raises:
        Problem: the body is none.
        BadInput: with a pointer to what is at fault.
        ClientDisconnect: the client has left.
    """
    require_json(request)
    header, raw = given_key(request), await whole(request)
    # What is judged in no time is judged at once; else other requests would be kept waiting.
    if len(raw) > AT_ONCE:
        return await to_thread.run_sync(lambda: (_ordered(body := parse(CallBody, raw), header, policy), body.key is None))
    body = parse(CallBody, raw)
    if all(map(_is_light, body.objects)):
        return _ordered(body, header, policy), body.key is None
    return await to_thread.run_sync(_ordered, body, header, policy), body.key is None


def require_allowed(caller: Identity, order: CallOrder) -> None:
    """Refuse a call that does what only administrators may do.

    Raises:
        Problem: 403.
    """
    if any(kinds.is_guarded(order.method, each) for each in order.objects):
        require_scope(caller, Scope.ADMIN)


def run(database: Database, organization_id: int, order: CallOrder, rules: CallRules) -> Ended:
    """Run a call, here and now.

    Raises:
        Problem: nothing is processed now.
        Unavailable: PostgreSQL does not answer.
        Conflict: its key belongs to another call.
    """
    try:
        return calls.run(database, organization_id, order, means=rules.means(organization_id), terms=rules.terms)
    except AtRest as error:
        raise Problem(503, str(error), headers={"Retry-After": str(RETRY_AFTER_S)}) from None


def of_the_header(error: Conflict) -> Exception:
    """A conflict of keys as it is told where the key stood in the header."""
    if error.field != "/key":
        return error
    return Problem(409, str(error), errors=[{"header": HEADER, "detail": str(error)}])


def _ordered(body: CallBody, header: str | None, policy: Policy) -> CallOrder:
    said = {"method": body.method, "objects": body.objects, "options": body.options}
    return order.read(said, key=one_key(header, body.key), policy=policy)


def _is_light(said: Mapping[str, Any]) -> bool:
    kind = said.get("type")
    return kind in _LIGHT or (kind == "message" and not any(said.get(name) for name in _HEAVY_PARTS))
