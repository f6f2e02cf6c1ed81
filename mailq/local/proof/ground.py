"""Where the proof takes place: a stack and servers of its own, whatever the settings of this machine name."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from mailq import settings
from mailq.core.mailing import Lane
from mailq.local import stack
from mailq.local.proof import forwarder, namespaces
from mailq.local.proof.host import Host
from mailq.local.proof.kinds import Size
from mailq.local.proof.namespaces import Namespace
from mailq.local.proof.services import Broker, Service, of_stack
from mailq.local.sinks import SinkOptions, SinkProcess
from mailq.local.supervisor import Rank, Supervisor
from mailq.store import migrate
from mailq.store.database import Database

LEASE_S = 2.0
FRIENDLY = (
    "delay=40ms at=dot",
    "address=*@gone.example reject=550 5.1.1 no such user here",
    "address=*@greylist.example tempfail=451 4.7.1 greylisted, try again later times=1",
    "odds=0.004 tempfail",
)
"""What the sink does when no fault tells it otherwise: slow enough that mails are always under way, and not all friendly."""

SETTINGS = {
    "LEASE__TTL": f"{LEASE_S}s",
    "LEASE__HEARTBEAT": "0.5s",
    "LEASE__MARGIN": "0.3s",
    "FAILOVER_AFTER": "3s",
    "UPKEEP__EVERY": "0.5s",
    "UPKEEP__RING_AGAIN_AFTER": "2s",
    "RELAY__CONNECT_TIMEOUT": "3s",
    "RELAY__COMMAND_TIMEOUT": "5s",
    "RELAY__DOT_TIMEOUT": "5s",
    "RELAY__REST": "300ms",
    "RELAY__MAX_REST": "1s",
    "RETRY__FIRST": "500ms",
    "RETRY__LONGEST": "1s",
    "STOP_GRACE": "10s",
}


@dataclass(frozen=True)
class Ground:
    """The stack, its services and the hosts.

    Attributes:
        database: the proof's own way to the database, for submitting and for looking.
        environment: what a process of mailq beside the servers is told.
    """

    home: Path
    database: Database
    broker: Broker
    sink: SinkProcess
    services: Mapping[str, Service]
    hosts: list[Host]
    supervisor: Supervisor
    environment: Mapping[str, str]

    def check(self) -> None:
        """Make sure that what nobody killed runs.

        Raises:
            Unavailable: the sink, a service or the forwarder has ended by itself.
        """
        hosts = {id(host.child) for host in self.hosts}
        for child in self.supervisor.children:
            if id(child) not in hosts:
                child.check()


@contextmanager
def laid(
    home: Path,
    *,
    num_servers: int,
    size: Size,
    seed: int,
    apart: bool,
    lanes: Sequence[Lane] = (Lane.BULK,),
    rules: tuple[str, ...] = FRIENDLY,
    more: Mapping[str, str] | None = None,
) -> Iterator[Ground]:
    """Bring the stack up and the servers; end all of it.

    Args:
        apart: whether each server gets a network namespace.
        rules: what the sink does.
        more: settings of the servers and of what is beside them, without the prefix.

    Raises:
        MailqError: something cannot be started.
    """
    wanted = settings.load(home=home, database_url=None, redis_url=None, relay_url=None)
    options = SinkOptions(maildir=False, rules=rules, seed=seed)
    with ExitStack() as ends, stack.running(wanted, sink=options) as running:
        if running.sink is None:
            raise AssertionError("a sink was asked for")
        database = Database(running.database_url, application="mailq prove", schema=wanted.database_schema)
        ends.callback(database.close)
        migrate.upgrade(database)
        nets: list[Namespace | None] = [None] * num_servers
        if apart:
            nets = [*ends.enter_context(namespaces.made(num_servers))]
            _forward(running, [net for net in nets if net])
        hosts = [_host(running, number, net, size, lanes, more=more or {}) for number, net in enumerate(nets)]
        try:
            for host in hosts:
                host.start()
            broker = Broker(running.redis_url)
            beside = _environment(_urls(running), {"HOME": str(running.home), **(more or {})})
            yield Ground(home, database, broker, running.sink, of_stack(running), hosts, running.supervisor, beside)
        finally:
            for host in hosts:
                host.wake()
                host.kill()


def _forward(running: stack.Running, nets: list[Namespace]) -> None:
    places = {name: urlsplit(url).netloc.rpartition("@")[2] for name, url in _urls(running).items()}
    pairs = [
        f"{address}:{places[service].rpartition(':')[2]}={places[service]}"
        for net in nets
        for service, address in net.addresses.items()
    ]
    child = running.supervisor.start("forwarder", [sys.executable, forwarder.__file__, *pairs], rank=Rank.SINK)
    child.wait_until(lambda: forwarder.READY in child.last_words(), 15)


def _host(
    running: stack.Running, number: int, net: Namespace | None, size: Size, lanes: Sequence[Lane], *, more: Mapping[str, str]
) -> Host:
    seen = {name: _at(url, net.addresses[name]) if net else url for name, url in _urls(running).items()}
    name = f"server-{number + 1}"
    env = _environment(seen, {"SERVER_ID": name, "RELAY__SESSIONS": str(size.sessions), **more})
    home = running.home / "servers" / name
    return Host(name, home, running.supervisor, env, net, processes=size.processes, lanes=lanes)


def _environment(seen: Mapping[str, str], further: Mapping[str, str]) -> dict[str, str]:
    """What a process of the proof is told: no setting from elsewhere has a say in it."""
    urls = {"DATABASE_URL": seen["postgres"], "REDIS_URL": seen["redis"], "RELAY_URL": seen["relay"]}
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAILQ_")}
    return env | {f"MAILQ_{name}": value for name, value in {**SETTINGS, **urls, **further}.items()}


def _urls(running: stack.Running) -> dict[str, str]:
    return {"postgres": running.database_url, "redis": running.redis_url, "relay": str(running.relay_url)}


def _at(url: str, address: str) -> str:
    parts = urlsplit(url)
    user, at, place = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}{at}{address}:{place.rpartition(':')[2]}"))
