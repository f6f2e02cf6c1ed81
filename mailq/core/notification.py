"""A notification: an answer that a call has asked for, on its way to an address of its producer's."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """Where a notification stands; see `NEXT` for the steps between."""

    PENDING = "pending"
    """Not taken yet; it is tried when it is due."""
    SENT = "sent"
    """Its receiver has taken it; an e-mail is a message of its own from here on."""
    ERROR = "error"
    """Nobody has taken it, and it is not tried again."""


NEXT: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.PENDING: frozenset({State.SENT, State.ERROR}),
        State.SENT: frozenset(),
        State.ERROR: frozenset({State.PENDING}),
    }
)

WAITS = tuple(
    timedelta(seconds=seconds) for seconds in (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
)
"""Before each further attempt, as Standard Webhooks 1.0.0 recommends: three days in all."""


def wait_after(attempts: int, *, spread: float) -> timedelta | None:
    """How long to wait after so many attempts; None if that was the last one.

    Args:
        spread: between -1 and 1, by which receivers that failed together are not tried together: a tenth of the wait at most.
    """
    if attempts > len(WAITS):
        return None
    wait = WAITS[attempts - 1]
    return wait + wait * (spread / 10)
