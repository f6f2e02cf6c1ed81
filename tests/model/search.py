"""Breadth first through every state that can be reached, and the shortest trace to what must not be."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from tests.model import process, reclaimer, relay, surroundings
from tests.model.invariants import Invariant, broken, is_end
from tests.model.state import State, World


@dataclass(frozen=True)
class Found:
    """The result of a search: how many states there are, and, if one breaks an invariant, the shortest way to it."""

    states: int
    invariant: Invariant | None = None
    trace: tuple[str, ...] = ()
    last: State | None = None

    def __str__(self) -> str:
        if self.invariant is None:
            return f"holds in all {self.states} states"
        steps = "\n".join(f"  {number:2}. {step}" for number, step in enumerate(self.trace, start=1))
        reason = f" ({self.last.wrong})" if self.last and self.last.wrong else ""
        return f"broken: {self.invariant.value}{reason}\n{steps}"


class TooManyStates(RuntimeError):
    """The world has more states than the search was given."""


Came = dict[State, tuple[State, str] | None]


def search(world: World, *, limit: int = 400_000) -> Found:
    """Look at every state of a world; stop at the first that breaks an invariant.

    Raises:
        TooManyStates: there are more than `limit`.
    """
    start = world.start()
    came: Came = {start: None}
    freely: dict[State, list[State]] = {}
    queue = deque([start])
    while queue:
        state = queue.popleft()
        invariant = broken(world, state)
        if invariant is not None:
            return Found(len(came), invariant, _trace(came, state), state)
        for step, after, is_free in _steps(world, state):
            if is_free:
                freely.setdefault(after, []).append(state)
            if after not in came:
                came[after] = (state, step)
                queue.append(after)
        if len(came) > limit:
            raise TooManyStates(f"more than {limit}")
    return _lost(came, freely) or Found(len(came))


def _steps(world: World, state: State) -> Iterator[tuple[str, State, bool]]:
    """Every step from a state, and whether it needs no fault."""
    for step, after in _everybody(world, state):
        yield step, after, after.left == state.left
    for step, after in surroundings.faults(world, state):
        yield step, after, False


def _everybody(world: World, state: State) -> Iterator[tuple[str, State]]:
    for number in (0, 1):
        yield from process.steps(world, state, number)
    yield from relay.steps(world, state)
    yield from reclaimer.steps(world, state)
    yield from surroundings.free(world, state)


def _lost(came: Came, freely: dict[State, list[State]]) -> Found | None:
    """The first state from which no end can be reached by steps that happen by themselves."""
    good = {state for state in came if is_end(state)}
    queue = deque(good)
    while queue:
        for before in freely.get(queue.popleft(), ()):
            if before not in good:
                good.add(before)
                queue.append(before)
    for state in came:
        if state not in good:
            return Found(len(came), Invariant.NOBODY_LOST, _trace(came, state), state)
    return None


def _trace(came: Came, state: State) -> tuple[str, ...]:
    steps = []
    while (step := came[state]) is not None:
        state = step[0]
        steps.append(step[1])
    return tuple(reversed(steps))
