"""A batch: a contiguous run of a mailing's deliveries, worked under one claim."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """Where a batch stands; see `NEXT` for the steps between."""

    READY = "ready"
    """May be claimed; a ring tells a worker."""
    LEASED = "leased"
    """Held by one worker process under one fence; only that process writes about its deliveries."""
    WAITING = "waiting"
    """Not before `due_at`: the earliest retry of its deliveries, or the end of the relay's rest."""
    FINISHED = "finished"
    """Nothing of it is left to send; a resend of one of its deliveries opens it again."""
    CANCELLED = "cancelled"
    """Its mailing ended early."""


NEXT: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.READY: frozenset({State.LEASED, State.FINISHED, State.CANCELLED}),  # finished: nothing in it was to be sent
        State.LEASED: frozenset({State.FINISHED, State.WAITING, State.READY, State.CANCELLED}),
        State.WAITING: frozenset({State.READY, State.CANCELLED}),
        State.FINISHED: frozenset({State.READY}),
        State.CANCELLED: frozenset(),
    }
)


@dataclass(frozen=True, slots=True)
class Left:
    """What a pass leaves behind, as the database counts it: deliveries not begun, deferred ones, and when the first is due."""

    pending: int
    deferred: int
    next_due_at: datetime | None


def after_pass(left: Left, *, rest_until: datetime | None = None) -> tuple[State, datetime | None]:
    """Decide where a batch goes when its owner lets go of it: the state, and when it is due if it waits.

    A resting relay makes the whole batch wait; its deliveries are not deferred one by one.
    """
    if left.pending:
        return (State.READY, None) if rest_until is None else (State.WAITING, rest_until)
    if left.deferred:
        if left.next_due_at is None:
            raise ValueError("deferred deliveries without a due time")
        return State.WAITING, max(filter(None, (left.next_due_at, rest_until)))
    return State.FINISHED, None


@dataclass(frozen=True, slots=True)
class Tally:
    """What to add to a batch's counters; `deferred` may be negative, when a deferred delivery is settled for good."""

    sent: int = 0
    errors: int = 0
    skipped: int = 0
    deferred: int = 0
    in_doubt: int = 0

    def __add__(self, more: "Tally") -> "Tally":
        return Tally(
            self.sent + more.sent,
            self.errors + more.errors,
            self.skipped + more.skipped,
            self.deferred + more.deferred,
            self.in_doubt + more.in_doubt,
        )


@dataclass(frozen=True, slots=True)
class Owner:
    """A worker process: the server row it belongs to, which start of it, and a name that is unique among all processes.

    Attributes:
        beat: the last renewal of its server that it knows of. A database that stands below has forgotten.
    """

    server_id: int
    incarnation: int
    process: str
    beat: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work a batch for one pass. Every write about the batch repeats `owner` and `fence`."""

    batch_id: int
    mailing_id: int
    number: int
    owner: Owner
    fence: int
    ledger_no: int
    first_seq: int
    last_seq: int
    pass_started_at: datetime
    first_claimed_at: datetime
