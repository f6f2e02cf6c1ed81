"""How a state machine is written down: one mapping of every legal step, from which CHECKs and diagrams are made."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

State = TypeVar("State", bound=StrEnum)


class IllegalStep(ValueError):
    """Our own mistake: a step that no state machine of ours allows."""


def require(steps: Mapping[State, frozenset[State]], before: State, after: State) -> None:
    """Refuse a step that is not in `steps`.

    Raises:
        IllegalStep: the machine has no arrow from `before` to `after`.
    """
    if after not in steps[before]:
        raise IllegalStep(f"no step from {before} to {after}")
