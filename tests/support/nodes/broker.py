"""The broker node: pytest-celery's Redis vendor, as a local process from the binary that `mailqctl up` would take."""

from pathlib import Path
from typing import Any

from pytest_celery import RedisContainer, RedisTestBroker

from mailq.local import binaries, place, ports
from mailq.local.supervisor import Supervisor, bare_environment
from tests.support.nodes.process import NodeProcess
from tests.support.waiting import eventually

_READY_WITHIN = 15.0


class LocalRedis(RedisContainer):
    """The vendor's Redis without Docker; its options are the vendor's own."""

    def __init__(self, process: NodeProcess, port: int) -> None:
        # Not Container.__init__: it maps Docker's networks.
        self._container = process
        self._port = port

    @classmethod
    def launch(cls, supervisor: Supervisor, home: Path) -> "LocalRedis":
        """Start one on a free port."""
        binary, port = binaries.redis(place.find(home)).path, ports.free()
        _, *options = cls.command()
        argv = [str(binary), *options, "--port", str(port), "--bind", ports.HOST, "--dir", str(home)]
        return cls(NodeProcess(supervisor, "redis", argv, bare_environment(), home), port)

    hostname = property(lambda self: ports.HOST)
    port = property(lambda self: self._port)
    url = property(lambda self: f"{self.prefix()}{ports.HOST}:{self._port}/{self.vhost}")
    host_url = url

    def ready(self) -> bool:
        """Wait until it serves."""
        self._container.child.wait_until(lambda: self.ready_prompt in self._container.logs_since_start(), _READY_WITHIN)
        return True

    def restart(self, timeout: float = 10) -> None:
        """Restart it; what it held in memory is gone."""
        self._container.restart(timeout=timeout)
        self.ready()

    def teardown(self) -> None:
        """Stop it."""
        self._container.stop()


class Broker(RedisTestBroker):
    """The broker as the tests see it. One for the whole run: `flush` makes it new."""

    @property
    def url(self) -> str:
        """Its address from this machine, as a redis_url."""
        return str(self.container.celeryconfig["host_url"])

    @property
    def redis(self) -> Any:
        """A client."""
        return self.container.client

    def flush(self) -> None:
        """Forget everything, the generation included."""
        self.redis.flushall()

    def queue(self, name: str) -> list[bytes]:
        """The messages that lie on a queue, all priorities, the next one first."""
        client = self.redis
        keys = [name, *(f"{name}\x06\x16{priority}" for priority in (3, 6, 9))]
        return [message for key in keys for message in reversed(client.lrange(key, 0, -1))]

    def stop(self) -> None:
        """Kill it, as a crash would."""
        self.kill()

    def start(self) -> None:
        """Start it again on the same port, empty."""
        self.container._container.start()
        self.container.ready()

    def revive(self) -> None:
        """Make sure that it serves, whatever a test did to it."""
        if self.container.status != "running":
            self.start()
        eventually(self.redis.ping)
