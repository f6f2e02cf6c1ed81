"""A server: one worker instance with a stable id; each start of it is an incarnation."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """Where a server stands; `SILENT` is what others call one whose lease ran out."""

    ALIVE = "alive"
    DRAINING = "draining"
    STOPPED = "stopped"
    SILENT = "silent"


NEXT: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.ALIVE: frozenset({State.DRAINING, State.STOPPED, State.SILENT, State.ALIVE}),
        State.DRAINING: frozenset({State.STOPPED, State.SILENT, State.ALIVE}),
        State.STOPPED: frozenset({State.ALIVE}),
        State.SILENT: frozenset({State.ALIVE, State.STOPPED}),
    }
)
