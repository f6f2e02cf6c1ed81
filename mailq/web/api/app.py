"""The application: its parts, made when it starts, and its routers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI
from fastapi.routing import APIRoute

from mailq import bootstrap
from mailq.admin.health import ready
from mailq.clock import Clock
from mailq.engine.messages import accept
from mailq.settings import Settings
from mailq.store.database import Database
from mailq.web.api import (
    addresses,
    call_results,
    calls,
    conversations,
    exports,
    health,
    mailings,
    maintaining,
    messages,
    openapi,
    operating,
    problems,
    steering,
    subscribers,
    watching,
)
from mailq.web.api.access import Access
from mailq.web.api.callers import Callers
from mailq.web.api.calling import CallRules, receiver
from mailq.web.api.events import Watching
from mailq.web.api.gathering import Gatherer
from mailq.web.api.guard import BodyGuard, BodyPolicy
from mailq.web.api.holding import Places
from mailq.web.api.parts import Parts
from mailq.web.api.paths import Paths
from mailq.web.api.protocol import STOPPING
from mailq.web.api.rates import Rates

# They are asked one after the other: first those for whom most requests are.
_MOST = (messages, calls)
_OTHERS = (mailings, steering, exports, watching, addresses, conversations, call_results, subscribers)
ROUTERS = tuple(each.router for each in (*_MOST, *_OTHERS, operating, maintaining, health))

_THREADS = 7
"""Requests that may ask the database at once; with all of the following, and the messages, fewer than it keeps connections for us."""
_AT_ONCE = 3
"""Synchronous calls, which may wait for each other: nobody else waits with them."""
_UPLOADS = 2
_EXPORTS = 2
"""Loads at once: more than the database has processors for make none of them faster."""

_MOST_WATCHES = 100
_MOST_SPOOLS = 4
"""Of one key at a time."""


def create(settings: Settings) -> FastAPI:
    """The application. It is served under any ASGI server; `mailqctl api` takes uvicorn, with our words for what is no HTTP.

    Raises:
        Misconfigured: no database is set and no local stack runs.
    """
    database = bootstrap.database(settings, application="mailq api")
    app = FastAPI(
        title=openapi.TITLE,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=partial(_lifespan, settings, database),
    )
    chosen = settings.api
    app.add_middleware(BodyGuard, policy=BodyPolicy(chosen.max_body, chosen.max_upload, chosen.body_timeout))
    app.add_middleware(Access)
    app.add_middleware(Paths)
    problems.install(app)
    app.state.routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    for router in ROUTERS:
        app.include_router(router)
    app.add_api_route("/v1/openapi.json", _serve(app), include_in_schema=False)
    app.state.routes = [route for route in (*app.state.routes, *app.routes) if isinstance(route, APIRoute)]
    return app


@asynccontextmanager
async def _lifespan(settings: Settings, database: Database, app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    to_thread.current_default_thread_limiter().total_tokens = _THREADS
    stopping = asyncio.Event()
    app.state.parts = parts = _parts(settings, database, stopping)
    parts.gatherer.start()
    try:
        yield {STOPPING: stopping}
    finally:
        stopping.set()
        await parts.gatherer.stop()
        database.close()


def _parts(settings: Settings, database: Database, stopping: asyncio.Event) -> Parts:
    clock = Clock().monotonic
    gatherer, rules = Gatherer(database), _call_rules(settings)
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
    return Parts(
        database=database,
        callers=Callers(database, clock=clock),
        rates=Rates(redis_url, clock=clock),
        gatherer=gatherer,
        messages=gatherer.of(accept),
        calls=gatherer.of(receiver(rules.terms)),
        call_rules=rules,
        watching=Watching(stopping),
        rate_per_s=settings.api.rate_per_s,
        batch_size=settings.batch.size,
        doubt_policy=settings.doubt.policy,
        max_upload=settings.api.max_upload,
        message_id_domain=settings.message_id_domain,
        uploads=CapacityLimiter(_UPLOADS),
        exports=CapacityLimiter(_EXPORTS),
        at_once=CapacityLimiter(_AT_ONCE),
        watches=Places(_MOST_WATCHES, "streams of events"),
        spools=Places(_MOST_SPOOLS, "exports"),
        readiness=partial(ready, database, redis_url),
    )


def _call_rules(settings: Settings) -> CallRules:
    return CallRules(
        terms=bootstrap.call_terms(settings),
        means=bootstrap.call_means(settings),
        respond=bootstrap.respond(settings),
        policy=bootstrap.call_policy(settings),
    )


def _serve(app: FastAPI) -> Callable[[], dict[str, Any]]:
    def specification() -> dict[str, Any]:
        return openapi.specification(app)

    return specification
