"""A guard against kombu 5.7.0: a busy worker exits when Redis goes away.

After `Connection.collect()` failed, the dead channel's `connection.client` is None, and restoring or acknowledging on it
raises AttributeError, which no handler counts as a lost connection. Raised as one, the worker reconnects.
`tests/integration/broker/test_kombu_compat.py` fails as soon as kombu no longer needs this.
"""

from typing import Any

import redis
from kombu.transport import redis as transport

ASKING = ("connect", "connect_check_health", "send_packed_command", "can_read", "read_response")
_original = transport.Channel._connparams  # type: ignore[attr-defined]  # noqa: SLF001 - the fault sits here


def _connparams(self: Any, asynchronous: bool = False) -> Any:
    if self.connection is None or self.connection.client is None:
        raise redis.exceptions.ConnectionError("the channel is closed")
    return _original(self, asynchronous)


def install() -> None:
    """Guard every Redis channel of this process. Done before a Celery app is used; doing it twice changes nothing."""
    transport.Channel._connparams = _connparams  # type: ignore[attr-defined]  # noqa: SLF001


def give_up() -> None:
    """Have whatever this process still wants of Redis fail at once; what waits for an answer already waits for its timeout."""
    for asking in ASKING:
        setattr(redis.connection.AbstractConnection, asking, _given_up)


def _given_up(*_: object, **__: object) -> Any:
    raise redis.exceptions.ConnectionError("the broker is given up: this server is ending, and it did not answer")
