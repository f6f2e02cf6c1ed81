"""What a doctor asks of the broker."""

from dataclasses import dataclass

import redis

from mailq.broker import names
from mailq.broker.doorbell import address, connect
from mailq.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Health:
    """A Redis as it stands.

    Attributes:
        policy: its `maxmemory-policy`.
        persistent: whether it keeps its data over a restart, by append-only file or snapshots.
        queued: rings that wait, by queue.
    """

    version: str
    policy: str
    append_only: bool
    persistent: bool
    queued: dict[str, int]


def of_broker(redis_url: str) -> Health:
    """Ask the broker.

    Raises:
        Misconfigured: the URL is none.
        Unavailable: it does not answer, or refuses us.
    """
    client = connect(redis_url)
    try:
        info = client.info()
        snapshots = client.config_get("save").get("save", "") if not info["aof_enabled"] else ""
        return Health(
            version=str(info.get("valkey_version") or info["redis_version"]),
            policy=str(info["maxmemory_policy"]),
            append_only=bool(info["aof_enabled"]),
            persistent=bool(info["aof_enabled"]) or bool(snapshots),
            queued={queue: int(client.llen(queue)) for queue in names.QUEUES.values()},
        )
    except redis.exceptions.RedisError as error:
        raise Unavailable(f"broker {address(redis_url)} does not answer: {error}") from error
    finally:
        client.close()


def answers(redis_url: str) -> bool:
    """Whether the broker answers at all; asked often, and not waited for."""
    client = connect(redis_url)
    try:
        return bool(client.ping())
    except redis.exceptions.RedisError:
        return False
    finally:
        client.close()
