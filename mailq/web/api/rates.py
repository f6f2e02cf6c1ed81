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
        self._alone = False
        self._probe: asyncio.Future[int] | None = None
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
        if self._shared is not None and not self._alone:
            try:
                return await to_thread.run_sync(self._shared.incr, key_id, _WINDOW_S, amount)
            except StorageError as error:
                self._rest(error)
        elif self._shared is not None and self._probe is None and self._clock() >= self._shared_again_at:
            # Nobody waits for it: where Redis says nothing, that would be half a second for everybody who asks meanwhile.
            self._probe = asyncio.ensure_future(to_thread.run_sync(self._shared.incr, key_id, _WINDOW_S, amount))
            self._probe.add_done_callback(self._hear)
        return self._here.incr(key_id, _WINDOW_S, amount)

    def _hear(self, probe: "asyncio.Future[int]") -> None:
        """Whether Redis is back."""
        self._probe = None
        if probe.cancelled():
            return
        if isinstance(error := probe.exception(), StorageError):
            self._rest(error)
        else:
            self._alone = False

    def _rest(self, error: StorageError) -> None:
        self._alone, self._shared_again_at = True, self._clock() + _REST_S
        log.warning("rates.alone", reason=type(error.storage_error).__name__, seconds=_REST_S)


def _in_redis(url: str) -> Storage:
    address = url.replace("unix://", "redis+unix://", 1) if url.startswith("unix://") else url
    return RedisStorage(
        address,
        key_prefix="mailq:rate",
        wrap_exceptions=True,
        socket_timeout=_PATIENCE_S,
        socket_connect_timeout=_PATIENCE_S,
    )
