"""A delivery: one message for one recipient, and what became of it."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, assert_never

from mailq.core.outcome import Accepted, Deferred, Doubt, Fault, Outcome, Rejected, Unknown
from mailq.core.retry import RetryPolicy


class State(StrEnum):
    """Where a delivery stands; see `NEXT` for the steps between."""

    PENDING = "pending"
    """Not sent yet; the watermark of its batch says whether it has begun."""
    DEFERRED = "deferred"
    """Not accepted for now; tried again at `due_at`."""
    SENT = "sent"
    """The relay took the message: its reply to the final dot was 2xx."""
    ERROR = "error"
    """Refused for good, or tried as often and as long as the retry policy allows; `reply` says why."""
    SKIPPED = "skipped"
    """Never to be sent; `skip` says why."""
    IN_DOUBT = "in_doubt"
    """The message may have left and no reply is known: settled by evidence, by policy or by a person, never silently."""


_AFTER_AN_ATTEMPT = frozenset({State.SENT, State.ERROR, State.DEFERRED, State.IN_DOUBT, State.SKIPPED})

NEXT: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.PENDING: _AFTER_AN_ATTEMPT,
        State.DEFERRED: _AFTER_AN_ATTEMPT,
        State.SENT: frozenset(),
        State.ERROR: frozenset({State.PENDING}),
        State.SKIPPED: frozenset(),
        State.IN_DOUBT: frozenset({State.SENT, State.PENDING, State.ERROR}),
    }
)

WORKABLE = frozenset({State.PENDING, State.DEFERRED})


class Skip(StrEnum):
    """Why a recipient was passed over."""

    SUPPRESSED = "suppressed"
    INVALID = "invalid"
    DUPLICATE = "duplicate"
    EXCLUDED = "excluded"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Change(NamedTuple):
    """What to write about a delivery: its next state, and the facts that go with it. `attempts` is the number to add."""

    state: State
    reply: str | None = None
    due_at: datetime | None = None
    doubt: Doubt | None = None
    attempts: int = 1


def settle(
    outcome: Outcome, *, attempt: int, started_at: datetime, now: datetime, retry: RetryPolicy, jitter: float = 0.0
) -> Change:
    """Decide what one finished attempt makes of its delivery.

    Args:
        attempt: which attempt this was, counted from 1.
        started_at: when the mailing began, from which the age limit of `retry` is counted.
        jitter: in [-1, 1], scales the wait within the policy's jitter.
    """
    match outcome:
        case Accepted(reply):
            return Change(State.SENT, reply=str(reply))
        case Rejected(reply):
            return Change(State.ERROR, reply=str(reply))
        case Unknown(doubt):
            return Change(State.IN_DOUBT, doubt=doubt)
        case Deferred(reply, fault):
            spent = fault is not Fault.RELAY
            due_at = retry.next_attempt_at(now, attempt=attempt if spent else 0, started_at=started_at, jitter=jitter)
            after = State.ERROR if due_at is None else State.DEFERRED
            return Change(after, reply=str(reply), due_at=due_at, attempts=int(spent))
        case _:
            assert_never(outcome)
