"""A mailing: one content, many recipients, and books that must balance before it is finished."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """Where a mailing stands; see `NEXT` for the steps between."""

    DRAFT = "draft"
    """Content without recipients; nothing is loaded yet."""
    LOADING = "loading"
    """Recipients are being read; nothing is sent, and a load that died can be resumed or dropped."""
    SCHEDULED = "scheduled"
    """Loaded to the end, and waiting for its time."""
    RUNNING = "running"
    """Its batches may be claimed."""
    PAUSED = "paused"
    """Nothing begins until somebody resumes it; what is on the wire is settled."""
    FINISHED = "finished"
    """Nothing is left to send and the books balance; a resend opens it again."""
    CANCELLED = "cancelled"
    """Ended by a person; what had not begun is skipped."""
    EXPIRED = "expired"
    """Not finished by its `expires_at`; what had not begun is skipped."""


_ENDED_EARLY = frozenset({State.CANCELLED, State.EXPIRED})

NEXT: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.DRAFT: frozenset({State.LOADING}) | _ENDED_EARLY,
        State.LOADING: frozenset({State.SCHEDULED, State.RUNNING}) | _ENDED_EARLY,
        State.SCHEDULED: frozenset({State.RUNNING}) | _ENDED_EARLY,
        State.RUNNING: frozenset({State.PAUSED, State.FINISHED}) | _ENDED_EARLY,
        State.PAUSED: frozenset({State.RUNNING, State.FINISHED}) | _ENDED_EARLY,
        State.FINISHED: frozenset({State.RUNNING}),
        State.CANCELLED: frozenset(),
        State.EXPIRED: frozenset(),
    }
)


class Lane(StrEnum):
    """How urgent a mailing is: the queue its batches are rung on."""

    TRANSACTIONAL = "transactional"
    NORMAL = "normal"
    BULK = "bulk"


class DoubtPolicy(StrEnum):
    """What becomes of a delivery in doubt: wait for a person, send again, or count as sent where the dot is on record."""

    HOLD = "hold"
    RESEND = "resend"
    ASSUME_SENT = "assume_sent"


@dataclass(frozen=True, slots=True)
class Books:
    """The counters of a mailing, always the sum over its batches (seed names; `num_profiles` counts every recipient)."""

    num_profiles: int = 0
    num_pending: int = 0
    num_deferred: int = 0
    num_sent: int = 0
    num_errors: int = 0
    num_skipped: int = 0
    num_in_doubt: int = 0

    @property
    def balanced(self) -> bool:
        """Whether every recipient is accounted for, and nothing twice."""
        counted = self.num_pending + self.num_deferred + self.num_sent + self.num_errors + self.num_skipped + self.num_in_doubt
        return self.num_profiles == counted and self.num_pending >= 0

    @property
    def complete(self) -> bool:
        """Whether nothing is left to send."""
        return self.balanced and self.num_pending == 0 and self.num_deferred == 0


def month_of(moment: datetime) -> int:
    """The month by UTC as one number: months since year 0, so that December and January are neighbours."""
    there = moment.astimezone(UTC)
    return there.year * 12 + there.month - 1


def mailing_id(moment: datetime, number: int) -> int:
    """A mailing's id carries its month in the bits above 40, which is what partitions of `delivery` are cut by."""
    return month_of(moment) << 40 | number


def retries_began(*, started_at: datetime, first_claimed_at: datetime, is_stream: bool, resent_at: datetime | None) -> datetime:
    """From when the age of a batch's retries is counted.

    Args:
        is_stream: its batches come one after the other, each as old as its messages; what is older has nothing to do with them.
        resent_at: when an operator sent errors of the mailing again, which are to have their chance.
    """
    began = first_claimed_at if is_stream else started_at
    return began if resent_at is None else max(began, resent_at)
