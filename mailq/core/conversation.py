"""A conversation: calls of one producer that run strictly in sequence once all are there, and never twice."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

MOST_PARTS = 10_000
"""Of one conversation; its parts are calls of their own, each with its own objects."""


class State(StrEnum):
    """Where a conversation stands; see `NEXT` for the steps between."""

    RECEIVING = "receiving"
    """Parts are missing; none has run."""
    RUNNING = "running"
    """All parts are there, and run one after the other."""
    FINISHED = "finished"
    """All parts have run."""
    ERROR = "error"
    """A part was in error, or the next one did not come in time; nothing of it runs any more."""


NEXT: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.RECEIVING: frozenset({State.RUNNING, State.ERROR}),
        State.RUNNING: frozenset({State.FINISHED, State.ERROR}),
        State.FINISHED: frozenset(),
        State.ERROR: frozenset(),
    }
)


class Judgement(StrEnum):
    """What is to be done with a part that has arrived."""

    TAKE = "take"
    """It is new, and has its place."""
    REPEATED = "repeated"
    """It was taken before, word for word: answered as then, and not run again."""
    OTHER_WORDS = "other_words"
    """Its place is taken by a part that says something else."""
    OTHER_LENGTH = "other_length"
    """It speaks of another number of parts than those before it."""
    USED = "used"
    """The conversation has ended: its id is not to be had again."""
    LATE = "late"
    """More time has passed since the part before than may: the conversation goes into error."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part as it arrives.

    Attributes:
        digest: SHA-256 of all that it says.
    """

    sequence_code: int
    calls_in_conversation: int
    digest: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A conversation as it is known when a part arrives.

    Attributes:
        last_part_at: when a part was taken last.
    """

    state: State
    calls_in_conversation: int
    last_part_at: datetime


def judge(part: Part, known: Standing | None, *, in_its_place: str | None, now: datetime, gap: timedelta) -> Judgement:
    """What becomes of a part. One that was taken before is recognised whatever has become of its conversation since.

    Args:
        known: the conversation; None if this is its first part.
        in_its_place: digest of the part that has this sequence code already.
        gap: how much time may pass between two parts.
    """
    if known is None:
        return Judgement.TAKE
    if known.calls_in_conversation != part.calls_in_conversation:
        return Judgement.OTHER_LENGTH if known.state is State.RECEIVING else Judgement.USED
    if in_its_place is not None:
        return Judgement.REPEATED if in_its_place == part.digest else Judgement.OTHER_WORDS
    if known.state is not State.RECEIVING:
        return Judgement.USED
    return Judgement.LATE if now - known.last_part_at > gap else Judgement.TAKE


def missing(codes: frozenset[int], calls_in_conversation: int, *, most: int = 100) -> list[int]:
    """The first sequence codes that have not arrived."""
    found: list[int] = []
    for code in range(1, calls_in_conversation + 1):
        if code not in codes:
            found.append(code)
            if len(found) == most:
                break
    return found
