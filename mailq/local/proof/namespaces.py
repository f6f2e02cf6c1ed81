"""Hosts of their own: a network namespace per server, from which each service is reached at an address of its own.

So that exactly one of them can be cut off, silently: its address is routed to a neighbour that does not exist.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mailq.errors import Unavailable

_IP = shutil.which("ip", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") or "ip"
_NAME = re.compile(r"mailq-prove-(\d+)-\d+")
_NOBODY = "02:00:00:00:00:01"
SERVICES = ("postgres", "redis", "relay")


@dataclass(frozen=True)
class Namespace:
    """One of them.

    Attributes:
        addresses: of the services, as seen from inside.
    """

    name: str
    number: int
    net: str

    @property
    def addresses(self) -> dict[str, str]:
        """Where each service is, seen from inside."""
        return {service: f"{self.net}.{16 * self.number + place}" for place, service in enumerate(SERVICES, 1)}

    @property
    def words(self) -> list[str]:
        """What stands before a command that is to run inside."""
        return [_IP, "netns", "exec", self.name]

    def cut(self, service: str, *, silently: bool) -> None:
        """Make a service unreachable from inside: no answer at all, or none and an error at once."""
        address = self.addresses[service]
        way = ["via", self._last(14), "dev", "eth0", "onlink"] if silently else []
        _ip("-n", self.name, "route", "replace", *([] if silently else ["unreachable"]), f"{address}/32", *way)

    def heal(self, service: str) -> None:
        """Make it reachable again."""
        with suppress(Unavailable):
            _ip("-n", self.name, "route", "del", f"{self.addresses[service]}/32")

    def make(self) -> None:
        """Make the namespace, and the cable to it."""
        outside = self._outside
        _ip("netns", "add", self.name)
        _ip("link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        for address in self.addresses.values():
            _ip("addr", "add", f"{address}/28", "dev", outside)
        _ip("link", "set", outside, "up")
        _ip("-n", self.name, "link", "set", "lo", "up")
        _ip("-n", self.name, "addr", "add", f"{self._last(10)}/28", "dev", "eth0")
        _ip("-n", self.name, "link", "set", "eth0", "up")
        _ip("-n", self.name, "neigh", "replace", self._last(14), "lladdr", _NOBODY, "dev", "eth0", "nud", "permanent")

    def remove(self) -> None:
        """Remove both."""
        for words in (("link", "del", self._outside), ("netns", "del", self.name)):
            with suppress(Unavailable):
                _ip(*words)

    @property
    def _outside(self) -> str:
        return f"mq{self.name.split('-')[2]}h{self.number}"

    def _last(self, place: int) -> str:
        return f"{self.net}.{16 * self.number + place}"


def missing() -> str | None:
    """Why namespaces cannot be made here; None if they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not shutil.which(_IP):
        return "there is no command `ip` (iproute2)"
    trial = Namespace(f"mailq-prove-{os.getpid()}-15", 15, _net())
    try:
        trial.make()
    except Unavailable as fault:
        return f"this machine makes no network namespaces: {fault}"
    finally:
        trial.remove()
    return None


@contextmanager
def made(number: int) -> Iterator[Sequence[Namespace]]:
    """So many namespaces, removed at the end. Those that a killed proof left behind are removed first.

    Raises:
        Unavailable: they cannot be made.
    """
    _clear_away()
    net = _net()
    found = [Namespace(f"mailq-prove-{os.getpid()}-{place}", place, net) for place in range(number)]
    try:
        for namespace in found:
            namespace.make()
        yield found
    finally:
        for namespace in found:
            namespace.remove()


def _net() -> str:
    """A net of our own in the range that is set aside for such trials (RFC 2544)."""
    taken = _ip("-4", "-o", "addr", "show")
    nets = (f"198.{18 + (number >> 8) % 2}.{number & 255}" for number in range(os.getpid() % 512, os.getpid() % 512 + 512))
    return next(net for net in nets if f" {net}." not in taken)


def _clear_away() -> None:
    for name in Path("/run/netns").glob("mailq-prove-*"):
        found = _NAME.fullmatch(name.name)
        if found and not Path(f"/proc/{found[1]}").exists():
            Namespace(name.name, int(name.name.rpartition("-")[2]), "").remove()


def _ip(*words: str) -> str:
    done = subprocess.run([_IP, *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Unavailable(f"`ip {' '.join(words)}` failed: {done.stderr.strip()}")
    return done.stdout
