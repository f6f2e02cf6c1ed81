"""A notification: an answer that a call has asked for, on its way to an address of its producer's."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from http import HTTPStatus
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


LONGEST_RETRY_AFTER = timedelta(days=1)
"""What a receiver may ask us to wait, at most."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one attempt came to.

    Attributes:
        status: that the receiver answered with; None if there was no answer.
        words: for people.
        retry_after: how long the receiver asks us to wait.
        refused: we ourselves do not send there, now or later.
    """

    status: int | None
    words: str
    retry_after: timedelta | None = None
    refused: bool = False

    @property
    def is_silence(self) -> bool:
        """Whether nobody answered: its next attempt will probably be a long one again."""
        return self.status is None and not self.refused


@dataclass(frozen=True, slots=True)
class Change:
    """What an attempt makes of its notification.

    Attributes:
        wait: until the next attempt; of one that is pending alone.
    """

    state: State
    reply: str
    wait: timedelta | None = None


def settle(answer: Answer, *, attempts: int, spread: float) -> Change:
    """Decide what an attempt makes of its notification.

    Args:
        attempts: how many there have been, this one included.
        spread: see `wait_after`.
    """
    if answer.status is not None and 200 <= answer.status < 300:
        return Change(State.SENT, answer.words)
    if answer.status == HTTPStatus.GONE:
        return Change(State.ERROR, f"{answer.words}: its receiver wants no more of these")
    if answer.refused:
        return Change(State.ERROR, answer.words)
    wait = wait_after(attempts, spread=spread)
    if wait is None:
        return Change(State.ERROR, f"{answer.words}; given up after {attempts} attempts")
    if answer.status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE} and answer.retry_after is not None:
        wait = max(wait, min(answer.retry_after, LONGEST_RETRY_AFTER))
    return Change(State.PENDING, answer.words, wait)
