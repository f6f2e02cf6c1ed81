"""The client that a process keeps for a door: made at its first use, by each forked child for itself, and closed by no request's end."""

import os
import threading
from dataclasses import dataclass, field

from mailq.client import Client


@dataclass(frozen=True, slots=True)
class Entrance:
    """How an app reaches mailq, by its configuration.

    Attributes:
        url: `postgresql://…` or `https://…`.
        key: the API key, for HTTP.
        organization: in whose name; over HTTP the key says it.
        schema: where mailq's tables are, if not on the search path.
    """

    url: str
    key: str | None = field(default=None, repr=False)
    organization: str = "default"
    schema: str | None = None

    def connect(self) -> Client:
        """A client of the caller's own."""
        return Client(self.url, organization=self.organization, schema=self.schema, key=self.key)


_kept: dict[tuple[int, Entrance], Client] = {}
_lock = threading.Lock()


def client(entrance: Entrance) -> Client:
    """The client of this process for an entrance."""
    # A forked child must neither use nor close its parent's connections: it finds none under its own id.
    mine = (os.getpid(), entrance)
    with _lock:
        if mine not in _kept:
            _kept[mine] = entrance.connect()
        return _kept[mine]
