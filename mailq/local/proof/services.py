"""Redis and PostgreSQL of the proof: killed, and started again at the same address."""

import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mailq.broker import names
from mailq.broker.doorbell import CeleryDoorbell, connect
from mailq.core.mailing import Lane
from mailq.engine.ports import Ring
from mailq.errors import Unavailable
from mailq.local import place
from mailq.local.postgres import Postgres
from mailq.local.redis import Redis
from mailq.local.stack import Running
from mailq.local.supervisor import Child, Supervisor

_SPARE_DATABASE = "/1"


@dataclass
class Service:
    """A server that can be killed and started again.

    Attributes:
        death: the signal that ends it at once, leaving nothing in order.
        start: starts it, and returns it and its URL.
    """

    name: str
    url: str
    death: signal.Signals
    start: Callable[[], tuple[Child, str]]
    supervisor: Supervisor
    down: bool = field(default=False, init=False)

    def kill(self) -> None:
        """End it at once."""
        child = next(each for each in self.supervisor.children if each.name == self.name)
        child.stopped = True
        child.process.send_signal(self.death)
        child.process.wait(30)
        self.supervisor.forget(child)
        self.down = True

    def revive(self) -> None:
        """Start it again.

        Raises:
            Unavailable: it does not start, or somebody has taken its port meanwhile.
        """
        _, url = self.start()
        if url != self.url:
            raise Unavailable(f"the port of {self.name} was taken by another program while it was down; run the proof again")
        self.down = False


def of_stack(running: Running) -> dict[str, Service]:
    """The services of a stack, by name."""
    ground, supervisor = place.find(Path(running.home)), running.supervisor
    return {
        "redis": Service("redis", running.redis_url, signal.SIGKILL, lambda: Redis(ground).start(supervisor), supervisor),
        "postgres": Service(
            "postgres", running.database_url, signal.SIGQUIT, lambda: Postgres(ground).start(supervisor), supervisor
        ),
    }


class Broker:
    """What the proof does to Redis from outside."""

    def __init__(self, url: str) -> None:
        self._redis: Any = connect(url)
        spare = url.rpartition("/")[0] + _SPARE_DATABASE
        self._spare: Any = connect(spare)
        # In a database of its own, where nobody consumes: so that one message can be had as bytes.
        self._doorbell = CeleryDoorbell(spare)

    def flush(self) -> None:
        """Forget everything."""
        self._redis.flushall()

    def repeat(self, batch_id: int, times: int) -> None:
        """Put one Celery message on its queue several times, to the byte the same."""
        queue = names.QUEUES[Lane.BULK]
        self._doorbell.ring([Ring(batch_id, Lane.BULK, f"batch {batch_id}, repeated")])
        message = self._spare.lpop(queue)
        self._redis.lpush(queue, *[message] * times)
