"""The client that a process keeps for a door: made at its first use, its connections each process's own, and closed by no request's end."""

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


_kept: dict[Entrance, Client] = {}


def client(entrance: Entrance) -> Client:
    """The client of this process for an entrance."""
    # Without a lock, which another thread might hold at a fork: nothing is connected yet, so a second one made meanwhile is dropped.
    return _kept.get(entrance) or _kept.setdefault(entrance, entrance.connect())
