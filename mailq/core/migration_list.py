"""The migration list: the servers whose batches this one takes over when they are not alive.

Entries are separated by commas, blanks around them do not count: `host:port`, `host:*`, `[ipv6]:port`, `[ipv6]:*`, or a server id
without a colon. A host is a name, compared without regard to case, or an address.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Protocol, Self

Host = str | IPv4Address | IPv6Address

_SHAPE = re.compile(r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<host>[^:\[\]]+)):(?P<port>[^:\[\]]*)")
_NAME = re.compile(r"[\w.-]+")
_PORTS = range(1, 65_536)


class Malformed(ValueError):
    """An entry is none; the text names it and says how one is written."""


class Described(Protocol):
    """A server as a list may mean it."""

    @property
    def name(self) -> str:
        """Its id."""

    @property
    def host(self) -> str:
        """The name of its host."""

    @property
    def port(self) -> int | None:
        """Its number on that host."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses of its host."""


@dataclass(frozen=True, slots=True)
class Itself:
    """The server that reads the list. One with an id of its own gives no port: others on its host may go by the same."""

    name: str
    host: str
    port: int | None = None
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: a server id, and unless it has no colon a host and a port, too.

    Attributes:
        text: as it was written; equal to a server's name it means that server.
        host: None for a plain id.
        port: None for every port of the host.
    """

    text: str
    host: Host | None = None
    port: int | None = None

    @property
    def is_exact(self) -> bool:
        """Whether it means one server, and not a host's every."""
        return self.host is None or self.port is not None

    def means(self, server: Described) -> bool:
        """Whether it means this server: by its id, or by a name or address of its host and its port."""
        if self.text == server.name:
            return True
        if self.host is None or self.port not in {None, server.port}:
            return False
        return self.host in {_host_of(server.host), *map(_host_of, server.addresses)}

    @property
    def meaning(self) -> object:
        """What two entries that say the same have in common."""
        return self.text if self.host is None else (self.host, self.port)


@dataclass(frozen=True, slots=True)
class MigrationList:
    """The entries, in the order in which they were written."""

    entries: tuple[Entry, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a list; one of nothing but blanks is empty.

        Raises:
            Malformed: an entry is empty, no entry, or there twice.
        """
        entries = tuple(_entry(written.strip()) for written in text.split(",")) if text.strip() else ()
        met: set[object] = set()
        for entry in entries:
            if entry.meaning in met:
                raise Malformed(f"entry `{entry.text}` is there twice")
            met.add(entry.meaning)
        return cls(entries)

    def require_others(self, me: Described) -> None:
        """Refuse a list on which a server names itself; `host:*` is well, and leaves it out.

        Raises:
            Malformed: with the entry.
        """
        for entry in self.entries:
            if entry.is_exact and entry.means(me):
                raise Malformed(f"entry `{entry.text}` is this very server, {me.name}; list only others")

    def means(self, server: Described) -> bool:
        """Whether an entry means this server."""
        return any(entry.means(server) for entry in self.entries)

    def unknown(self, servers: Sequence[Described]) -> tuple[Entry, ...]:
        """The entries that mean none of these."""
        return tuple(entry for entry in self.entries if not any(entry.means(server) for server in servers))


def _entry(written: str) -> Entry:
    if not written:
        raise Malformed("an entry is empty; separate entries by single commas")
    if any(character.isspace() or not character.isprintable() for character in written):
        raise Malformed(f"entry {written!r} has a blank inside; separate entries by commas")
    if ":" not in written and not set(written) & set("[]"):
        return Entry(written)
    found = _SHAPE.fullmatch(written)
    if found is None:
        raise Malformed(f"entry `{written}` is none; write host:port, host:*, [ipv6]:port or a server id without a colon")
    host = _address_v6(found["v6"], written) if found["v6"] else _host(found["host"], written)
    return Entry(written, host, _port(found["port"], written))


def _port(text: str, written: str) -> int | None:
    if text == "*":
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) in _PORTS):
        raise Malformed(f"entry `{written}`: the port must be a number from 1 to 65535, or *")
    return int(text)


def _host(text: str, written: str) -> Host:
    host = _host_of(text)
    if isinstance(host, str) and (_NAME.fullmatch(text) is None or re.fullmatch(r"[\d.]+", text)):
        raise Malformed(f"entry `{written}`: {text} is neither the name nor the address of a host")
    return host


def _address_v6(text: str, written: str) -> Host:
    host = _host_of(text)
    if not isinstance(host, IPv6Address):
        raise Malformed(f"entry `{written}`: what stands in brackets must be an IPv6 address")
    return host


def _host_of(text: str) -> Host:
    """A host in the form in which two of them are compared."""
    try:
        return ip_address(text)
    except ValueError:
        return text.casefold()
