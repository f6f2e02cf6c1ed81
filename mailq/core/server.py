"""A server: one worker instance with a stable id; each start of it is an incarnation."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """Where a server stands; `SILENT` is what others call one whose lease ran out."""

    ALIVE = "alive"
    """Started, and renewing its row."""
    DRAINING = "draining"
    """Begins nothing new; what it holds is settled and handed back."""
    STOPPED = "stopped"
    """Ended in order, holding nothing."""
    SILENT = "silent"
    """Not heard of for too long."""


NEXT: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.ALIVE: frozenset({State.DRAINING, State.STOPPED, State.SILENT, State.ALIVE}),
        State.DRAINING: frozenset({State.STOPPED, State.SILENT, State.ALIVE}),
        State.STOPPED: frozenset({State.ALIVE}),
        State.SILENT: frozenset({State.ALIVE, State.STOPPED}),
    }
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server runs.

    Attributes:
        host: the host's name.
        port: tells servers on one host apart; nothing listens on it.
        pid: of the main process.
        addresses: of the host, as migration lists may name it.
        home: the directory of its lock file and its journals.
        boot_id: this boot of the host.
        lock: the nonce of its lock file. Whoever gets the lock of the file with this nonce knows that the server is dead.
    """

    host: str
    pid: int
    port: int | None = None
    addresses: tuple[str, ...] = ()
    home: str | None = None
    boot_id: str | None = None
    lock: str | None = None
