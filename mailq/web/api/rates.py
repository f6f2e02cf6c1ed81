"""Rates: how many requests a second a key may make. Counted in Redis where there is one, so that all processes share the count.

A process takes some requests at a time out of the second's budget, so that most cost no question. Where Redis is away each process
counts for itself: a limit that cannot be held is no reason to refuse anybody.
"""

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
"""The part of a second's budget that a process takes at a time."""
_REST_S = 10.0
_PATIENCE_S = 0.5
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
        self._purses: dict[str, _Purse] = {}

    async def take(self, key_id: str, rate_per_s: int) -> Grant:
        """Count a request of a key."""
        purse = self._purses.get(key_id)
        if purse is None or purse.until <= self._clock() or purse.left <= 0:
            purse = await self._fill(key_id, rate_per_s)
        purse.left -= 1
        return Grant(purse.left >= 0, rate_per_s, max(0, purse.left) + purse.beyond)

    async def _fill(self, key_id: str, rate_per_s: int) -> _Purse:
        amount = math.ceil(rate_per_s / _SHARE)
        taken = await self._count(key_id, amount)
        free = max(0, min(amount, rate_per_s - (taken - amount)))
        purse = _Purse(free, max(0, rate_per_s - taken), self._clock() + _PURSE_LASTS_S)
        self._purses[key_id] = purse
        return purse

    async def _count(self, key_id: str, amount: int) -> int:
        shared = self._shared
        if shared is not None and self._clock() >= self._shared_again_at:
            try:
                return await to_thread.run_sync(shared.incr, key_id, _WINDOW_S, amount)
            except StorageError as error:
                self._shared_again_at = self._clock() + _REST_S
                log.warning("rates.alone", reason=type(error.storage_error).__name__, seconds=_REST_S)
        return self._here.incr(key_id, _WINDOW_S, amount)


def _in_redis(url: str) -> Storage:
    address = url.replace("unix://", "redis+unix://", 1) if url.startswith("unix://") else url
    return RedisStorage(
        address,
        key_prefix="mailq:rate",
        wrap_exceptions=True,
        socket_timeout=_PATIENCE_S,
        socket_connect_timeout=_PATIENCE_S,
    )
