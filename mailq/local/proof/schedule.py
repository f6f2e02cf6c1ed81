"""The schedule: which fault comes when, to whom and for how long. Everything about it follows from the seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Generic, TypeVar

_LONGEST_GAP = 3.0
K = TypeVar("K", bound=StrEnum)
"""The kinds of faults of a mode of the proof."""


@dataclass(frozen=True, slots=True)
class Fault(Generic[K]):
    """One planned fault.

    Attributes:
        number: from 1.
        gap_s: seconds after the one before it.
        server: whom it hits, by number; the next one that can be hit stands in.
        lasts: from 0 to 1: how much of the longest time it lasts, or takes until the new start.
        dice: for what else is to be chosen, such as one of several processes.
    """

    number: int
    kind: K
    gap_s: float
    server: int
    lasts: float
    dice: int


def plan(seed: int, *, num_faults: int, num_servers: int, kinds: Sequence[K], mean_gap_s: float) -> Iterator[Fault[K]]:
    """The faults of a seed, one by one. Every kind comes once before any comes again, in an order of chance."""
    random = Random(seed)
    for number, kind in zip(range(1, num_faults + 1), _in_rounds(kinds, random), strict=False):
        # Some come on the heels of the one before: that is what makes them overlap.
        gap = min(random.expovariate(1.0), _LONGEST_GAP) * mean_gap_s
        yield Fault(number, kind, gap, random.randrange(num_servers), random.random(), random.randrange(1 << 30))


def _in_rounds(kinds: Sequence[K], random: Random) -> Iterator[K]:
    while True:
        yield from random.sample(kinds, len(kinds))
