"""Rates: how many requests a second a key may make. Counted in Redis where there is one, so that all processes share the count.

A process takes some requests at a time out of the second's budget, so that most cost no question. Where Redis is away each process
counts for itself: a limit that cannot be held is no reason to refuse anybody.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass

from anyio import to_thread
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage, Storage

from mailq import telemetry

log = telemetry.logger(__name__)

_WINDOW_S = 1
_SHARE = 50
_MOST = 100
"""What a process takes at a time: a fiftieth of a second's budget, and no more than this."""
_REST_S = 10.0
_PATIENCE_S = 0.5
_HURRY_S = 0.05
"""How long a request waits for the count. An answer that comes later tells only whether Redis is there; until then nobody else asks."""
_PURSE_LASTS_S = 0.25


@dataclass(frozen=True, slots=True)
class Grant:
    """Whether a request may go on, and what its key has left."""

    allowed: bool
    rate_per_s: int
    remaining: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        """As draft-ietf-httpapi-ratelimit-headers has them."""
        policy = f'"key";q={self.rate_per_s};w={_WINDOW_S}'
        return [(b"ratelimit-policy", policy.encode()), (b"ratelimit", f'"key";r={self.remaining};t={_WINDOW_S}'.encode())]


@dataclass(slots=True)
class _Purse:
    """Requests that were taken out of a second's budget and not made yet."""

    left: int
    beyond: int
    until: float


class Rates:
    """Holds keys to their rates."""

    def __init__(self, redis_url: str | None, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._here = MemoryStorage()
        self._shared: Storage | None = _in_redis(redis_url) if redis_url else None
        self._shared_again_at = 0.0
        self._late: asyncio.Future[int] | None = None
        self._purses: dict[str, _Purse] = {}
        self._filling: dict[str, asyncio.Lock] = {}

    async def take(self, key_id: str, rate_per_s: int) -> Grant:
        """Count a request of a key."""
        if (purse := self._open(key_id)) is None:
            async with self._filling.setdefault(key_id, asyncio.Lock()):
                # Whoever waited finds what the one before has fetched.
                purse = self._open(key_id) or await self._fill(key_id, rate_per_s)
        allowed = purse.left > 0
        purse.left -= allowed
        return Grant(allowed, rate_per_s, purse.left + purse.beyond)

    def _open(self, key_id: str) -> _Purse | None:
        purse = self._purses.get(key_id)
        return purse if purse is not None and purse.left > 0 and purse.until > self._clock() else None

    async def _fill(self, key_id: str, rate_per_s: int) -> _Purse:
        amount = min(math.ceil(rate_per_s / _SHARE), _MOST)
        taken = await self._count(key_id, amount)
        free = max(0, min(amount, rate_per_s - (taken - amount)))
        purse = _Purse(free, max(0, rate_per_s - taken), self._clock() + _PURSE_LASTS_S)
        self._purses[key_id] = purse
        return purse

    async def _count(self, key_id: str, amount: int) -> int:
        shared = self._shared
        if shared is None or self._late is not None or self._clock() < self._shared_again_at:
            return self._here.incr(key_id, _WINDOW_S, amount)
        asked = asyncio.ensure_future(to_thread.run_sync(shared.incr, key_id, _WINDOW_S, amount))
        asked.add_done_callback(self._hear)
        await asyncio.wait([asked], timeout=_HURRY_S)
        if not asked.done():
            self._late = asked
        elif asked.exception() is None:
            return asked.result()
        return self._here.incr(key_id, _WINDOW_S, amount)

    def _hear(self, asked: "asyncio.Future[int]") -> None:
        """What has come of a question, whoever still waits for it."""
        if self._late is asked:
            self._late = None
        if asked.cancelled() or (error := asked.exception()) is None:
            return
        self._shared_again_at = self._clock() + _REST_S
        reason = error.storage_error if isinstance(error, StorageError) else error
        log.warning("rates.alone", reason=type(reason).__name__, seconds=_REST_S)


def _in_redis(url: str) -> Storage:
    address = url.replace("unix://", "redis+unix://", 1) if url.startswith("unix://") else url
    return RedisStorage(
        address,
        key_prefix="mailq:rate",
        wrap_exceptions=True,
        socket_timeout=_PATIENCE_S,
        socket_connect_timeout=_PATIENCE_S,
    )
