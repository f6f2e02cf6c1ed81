"""Callers: whose key a request carries, and what it allows. A key is asked for once in a few seconds, not at every request."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import TypeVar

from anyio import to_thread

from mailq.admin import keys
from mailq.admin.keys import Identity, Refused, Scope
from mailq.store.database import Transactions
from mailq.web.api.problems import Problem

BELIEVED_FOR_S = 4.0
"""How long a key that was good is taken for good: a revocation takes effect within this time, and a second for what listens."""

_MOST_REMEMBERED = 10_000
_SCHEME = "bearer "
_REALM = 'Bearer realm="mailq"'
Answer = TypeVar("Answer")


class Callers:
    """Knows callers by their keys."""

    def __init__(self, database: Transactions, *, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[bytes, tuple[Identity, float]] = {}
        self._asked: dict[bytes, asyncio.Task[Identity]] = {}

    async def identify(self, authorization: str | None) -> Identity:
        """Who asks.

        Raises:
            Problem: no key was presented, or one that is good for nothing.
        """
        presented = _presented(authorization)
        digest = hashlib.sha256(presented.encode("utf-8", "surrogateescape")).digest()
        known = self._known.get(digest)
        if known is not None and known[1] > self._clock():
            return known[0]
        try:
            return await self._ask(digest, presented)
        except Refused as refused:
            raise _unauthorized(str(refused), "invalid_token") from None

    async def _ask(self, digest: bytes, presented: str) -> Identity:
        """Ask the database, once for all that present the same key meanwhile."""
        under_way = self._asked.get(digest)
        if under_way is None:
            under_way = self._asked[digest] = asyncio.ensure_future(self._look_up(digest, presented))
            under_way.add_done_callback(lambda _: self._asked.pop(digest, None))
        return await asyncio.shield(under_way)

    async def _look_up(self, digest: bytes, presented: str) -> Identity:
        asked_at = self._clock()
        identity = await to_thread.run_sync(keys.authenticate, self._database, presented)
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[digest] = (identity, asked_at + BELIEVED_FOR_S)
        return identity


def require_scope(identity: Identity, scope: Scope) -> None:
    """Refuse a key that does not allow what is asked.

    Raises:
        Problem: it does not.
    """
    if scope not in identity.scopes:
        challenge = f'{_REALM}, error="insufficient_scope", scope="{scope}"'
        raise Problem(403, f"this needs a key with the scope `{scope}`", headers={"WWW-Authenticate": challenge})


def _presented(authorization: str | None) -> str:
    if not authorization:
        raise _unauthorized("this needs an API key: Authorization: Bearer mq_…")
    if authorization[: len(_SCHEME)].lower() != _SCHEME:
        raise _unauthorized("the Authorization header is not of the form `Bearer mq_…`", "invalid_request")
    return authorization[len(_SCHEME) :].strip()


def _unauthorized(detail: str, error: str | None = None) -> Problem:
    challenge = _REALM if error is None else f'{_REALM}, error="{error}"'
    return Problem(401, detail, headers={"WWW-Authenticate": challenge})
