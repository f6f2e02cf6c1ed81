"""A server: one worker instance with a stable id; each start of it is an incarnation."""

from collections.abc import Mapping
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
