"""The parts that the routers work with, and who may call them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from anyio import CapacityLimiter
from fastapi import Depends, Request

from mailq.admin.health import Readiness
from mailq.admin.keys import Identity, Scope
from mailq.core.mailing import DoubtPolicy
from mailq.engine.calls.order import CallOrder
from mailq.engine.messages import MessageOrder, Taken
from mailq.store.database import Database
from mailq.web.api.access import NOTE, Note
from mailq.web.api.bodies import Given, read_body
from mailq.web.api.callers import Callers, require_scope
from mailq.web.api.calling import CallRules, ReceivedCall
from mailq.web.api.events import Watching
from mailq.web.api.gathering import Gathered, Gatherer
from mailq.web.api.holding import Places
from mailq.web.api.problems import Problem
from mailq.web.api.rates import Rates


@dataclass(frozen=True, slots=True)
class Parts:
    """What one process of the API works with.

    Attributes:
        gatherer: writes what is accepted below it, several kinds of orders in one transaction.
        rate_per_s: of keys that have none of their own.
        batch_size: deliveries of a batch of new mailings.
        max_upload: bytes of an upload once it is unpacked.
        uploads: how many are loaded at once; others wait, with their bodies on disk.
        exports: how many are read at once.
        at_once: how many synchronous calls are run at once.
        watches: streams of events that a key may have open.
        spools: exports that a key may have open, each with a file.
        readiness: whether requests should come here.
    """

    database: Database
    callers: Callers
    rates: Rates
    gatherer: Gatherer
    messages: Gathered[MessageOrder, Taken]
    calls: Gathered[CallOrder, ReceivedCall]
    call_rules: CallRules
    watching: Watching
    rate_per_s: int
    batch_size: int
    doubt_policy: DoubtPolicy
    max_upload: int
    message_id_domain: str | None
    uploads: CapacityLimiter
    exports: CapacityLimiter
    at_once: CapacityLimiter
    watches: Places
    spools: Places
    readiness: Callable[[], Readiness]


def parts_of(request: Request) -> Parts:
    """The parts of the application that serves a request."""
    found: Parts = request.app.state.parts
    return found


async def _parts(request: Request) -> Parts:
    return parts_of(request)


async def allowed(request: Request, scope: Scope) -> Identity:
    """Who asks, if the key allows it and has not asked too often.

    Raises:
        Problem: 401, 403 or 429.
    """
    parts, note = parts_of(request), _note(request)
    identity = await parts.callers.identify(request.headers.get("authorization"))
    note.key_id = identity.key_id
    grant = await parts.rates.take(identity.key_id, identity.rate_per_s or parts.rate_per_s)
    note.headers += grant.headers()
    if not grant.allowed:
        raise Problem(429, f"this key may make {grant.rate_per_s:,} requests a second", headers={"Retry-After": "1"})
    require_scope(identity, scope)
    return identity


def _allowed(scope: Scope) -> Callable[[Request], Awaitable[Identity]]:
    async def check(request: Request) -> Identity:
        return await allowed(request, scope)

    return check


def _note(request: Request) -> Note:
    note: Note = request.scope[NOTE]
    return note


InParts = Annotated[Parts, Depends(_parts)]
Sender = Annotated[Identity, Depends(_allowed(Scope.SEND))]
Reader = Annotated[Identity, Depends(_allowed(Scope.READ))]
Admin = Annotated[Identity, Depends(_allowed(Scope.ADMIN))]


def body_of(model: type[Given]) -> Any:
    """The body of a request, as a dependency."""

    async def read(request: Request) -> Given:
        return await read_body(model, request)

    return Depends(read)
