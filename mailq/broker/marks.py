"""What Redis keeps about the database: renewals of every server and fences of claims, by which a restored database is noticed.

Losing it costs nothing but this memory: the files of the servers' homes stand in for it.
"""

from datetime import UTC, datetime

import redis

from mailq.broker.doorbell import address, connect
from mailq.core.forgetting import Mark
from mailq.errors import Unavailable

KEPT_FOR_S = 90 * 86400
"""Marks outlive every server that is still of interest; those of a life that is over go by themselves."""
FENCES_KEPT_FOR_S = 7 * 86400

# A value is "beat seconds-since-1970"; only ever raised, whatever order two processes come in.
_RAISE = """
local kept = tonumber(string.match(redis.call('HGET', KEYS[1], ARGV[1]) or '0', '^%d+'))
if tonumber(ARGV[2]) > kept then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3]) end
redis.call('EXPIRE', KEYS[1], ARGV[4])
"""
_RAISE_FENCE = """
local kept = tonumber(redis.call('GET', KEYS[1]) or '0')
if tonumber(ARGV[1]) > kept then redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2]) end
return kept
"""


class RedisMarks:
    """The engine's `Marks` and `Fences`, in Redis."""

    def __init__(self, redis_url: str) -> None:
        self._address = address(redis_url)
        self._redis = connect(redis_url)
        self._raise = self._redis.register_script(_RAISE)
        self._raise_fence = self._redis.register_script(_RAISE_FENCE)

    def read(self, life: str) -> dict[str, Mark]:
        """The marks of every server.

        Raises:
            Unavailable: Redis does not answer.
        """
        try:
            found: dict[str, str] = self._redis.hgetall(_beats(life))  # type: ignore[assignment]
        except redis.exceptions.RedisError as error:
            raise self._unavailable(error) from error
        return {server: _mark(value) for server, value in found.items()}

    def note(self, life: str, server: str, mark: Mark) -> None:
        """Keep a mark, unless a higher one is kept already.

        Raises:
            Unavailable: Redis does not answer, or takes nothing.
        """
        try:
            self._raise(keys=[_beats(life)], args=[server, mark.beat, int(mark.at.timestamp()), KEPT_FOR_S])
        except redis.exceptions.RedisError as error:
            raise self._unavailable(error) from error

    def raised(self, life: str, batch_id: int, fence: int) -> int:
        """Keep the fence of a claim; the one that was kept before.

        Raises:
            Unavailable: Redis does not answer, or takes nothing.
        """
        try:
            return int(self._raise_fence(keys=[f"mailq:{life}:fence:{batch_id}"], args=[fence, FENCES_KEPT_FOR_S]))
        except redis.exceptions.RedisError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> Unavailable:
        return Unavailable(f"broker {self._address} keeps no marks: {error}")


def _beats(life: str) -> str:
    return f"mailq:{life}:beats"


def _mark(value: str) -> Mark:
    beat, _, at_s = value.partition(" ")
    return Mark(int(beat), datetime.fromtimestamp(int(at_s or 0), UTC))
