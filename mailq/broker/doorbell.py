"""Rings over Celery: one small message per batch, best effort."""

import uuid
from collections.abc import Sequence
from typing import Any

import redis
from celery import Celery
from kombu.exceptions import OperationalError

from mailq import urls
from mailq.broker import kombu_compat, names
from mailq.broker.config import celery_settings
from mailq.engine.ports import Ring
from mailq.errors import Misconfigured, Unavailable

_TIMEOUT_S = 2.0


class CeleryDoorbell:
    """The engine's `Doorbell` on Redis."""

    def __init__(self, redis_url: str) -> None:
        kombu_compat.install()
        self._address = address(redis_url)
        self._app = Celery("mailq-doorbell", set_as_current=False)
        self._app.conf.update(_impatient(celery_settings(redis_url)))
        self._redis = connect(redis_url)

    def ring(self, rings: Sequence[Ring]) -> None:
        """Put one message per ring on its lane's queue.

        Raises:
            Unavailable: the broker does not answer; some rings may have been put.
        """
        try:
            with self._app.producer_or_acquire() as producer:
                for ring in rings:
                    self._app.send_task(
                        names.SEND_BATCH,
                        args=[ring.batch_id],
                        queue=names.QUEUES[ring.lane],
                        argsrepr=ring.label,
                        producer=producer,
                    )
        except (OperationalError, redis.exceptions.RedisError, OSError) as error:
            raise Unavailable(f"broker {self._address} does not take messages: {error}") from error

    def generation(self) -> str:
        """A name for this life of the broker's data.

        Raises:
            Unavailable: the broker does not answer.
        """
        try:
            self._redis.set(names.GENERATION_KEY, uuid.uuid4().hex, nx=True)
            found = self._redis.get(names.GENERATION_KEY)
        except redis.exceptions.RedisError as error:
            raise Unavailable(f"broker {self._address} does not answer: {error}") from error
        return str(found)


def _impatient(settings: dict[str, Any]) -> dict[str, Any]:
    """A worker may wait for its broker; a warden that rings has a server to renew meanwhile, and a producer has a user.

    A publish is tried twice, the second time on a fresh connection: after a restart of the broker those of the pool are dead.
    """
    transport = settings["broker_transport_options"] | {"socket_timeout": _TIMEOUT_S, "socket_connect_timeout": _TIMEOUT_S}
    return settings | {"broker_transport_options": transport}


def connect(redis_url: str) -> "redis.Redis":
    """A Redis client that answers or fails within seconds.

    Raises:
        Misconfigured: the URL is none.
    """
    address(redis_url)
    try:
        return redis.Redis.from_url(
            redis_url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S, decode_responses=True, retry=None
        )
    except ValueError:
        raise Misconfigured("redis_url is no Redis URL; write redis://host:6379/0") from None


def address(redis_url: str) -> str:
    """The broker's address without a password, for messages and logs."""
    return urls.shown(redis_url, "redis_url")


def require_noeviction(redis_url: str) -> None:
    """Refuse a Redis that drops keys when its memory is full: rings would vanish silently.

    Raises:
        Misconfigured: its `maxmemory-policy` is not `noeviction`.
        Unavailable: it does not answer.
    """
    try:
        policy = connect(redis_url).info("memory")["maxmemory_policy"]
    except redis.exceptions.RedisError as error:
        raise Unavailable(f"broker {address(redis_url)} does not answer: {error}") from error
    if policy != "noeviction":
        raise Misconfigured(f"broker {address(redis_url)} has maxmemory-policy {policy}; mailq needs noeviction")
