"""What must hold in every state, and at the end."""

from enum import Enum

from tests.model.process import holds
from tests.model.state import (
    BACK,
    CANCELLED,
    DEFERRED,
    DOTTED,
    FINISHED,
    LEASED,
    NOTED,
    SENT,
    SKIPPED,
    UNNOTED,
    UNSETTLED,
    State,
    World,
    counted,
    open_set,
)


class Invariant(Enum):
    """What the project promises; the value says it."""

    ONCE = "a delivery is accepted at most once, and once more for each resend that somebody asked for"
    SENT_WAS_SENT = "what is called sent was accepted, or is assumed so of a message whose dot may have left"
    SKIPPED_WAS_NOT_SENT = "what is called skipped was not accepted"
    BOOKS = "counters equal a recount"
    SETTLED_ONCE = "what is settled is not settled again"
    FINISHED_IS_DONE = "a finished batch has nothing pending or deferred"
    INTENT = "what a holder has on the wire is open in the ledger"
    OPEN_BOUND = "no more deliveries are open than the window allows"
    DOUBT_BOUND = "each loss brings at most a window of doubts"
    NOT_TOO_EARLY = "nothing is tried again before it is due"
    NOBODY_LOST = "from everywhere the end can be reached, with every delivery settled"


def broken(world: World, state: State) -> Invariant | None:
    """The invariant that this state breaks."""
    for invariant, breaks in _CHECKS:
        if breaks(world, state):
            return invariant
    return None


def is_end(state: State) -> bool:
    """Whether everything is settled, nobody has anything in hand and nothing is under way."""
    done = state.batch.state in (FINISHED, CANCELLED) and state.look is None
    return done and not state.wire and not any(process.fence for process in state.processes)


def _twice(world: World, state: State) -> bool:
    return any(times > 1 + asked for times, asked in zip(state.accepted, state.resends, strict=True))


def _sent_unsent(world: World, state: State) -> bool:
    rows = enumerate(state.deliveries, start=1)
    # A message whose S stands and whose dot never left may be called sent by the policy alone.
    assumed = state.noted if world.faults.assume_sent else frozenset()
    return any(one.state == SENT and not state.accepted[seq - 1] and seq not in assumed for seq, one in rows)


def _skipped_sent(world: World, state: State) -> bool:
    rows = zip(state.deliveries, state.accepted, state.resends, strict=True)
    return any(one.state == SKIPPED and times and not asked for one, times, asked in rows)


def _books(world: World, state: State) -> bool:
    return state.batch.counters != counted(state.deliveries)


def _unfinished(world: World, state: State) -> bool:
    return state.batch.state in (FINISHED, CANCELLED) and any(one.state in UNSETTLED for one in state.deliveries)


def _unannounced(world: World, state: State) -> bool:
    if state.batch.state != LEASED or state.batch.owner is None:
        return False
    number = state.batch.owner[0]
    if not state.processes[number].fence or not holds(world, state, number):
        return False
    out = {seq for seq, stage in state.processes[number].letters if stage in (NOTED, UNNOTED, DOTTED)}
    return not out <= set(open_set(world, state.batch, state.deliveries, state.now))


def _too_open(world: World, state: State) -> bool:
    if state.batch.state != LEASED:
        return False
    return len(open_set(world, state.batch, state.deliveries, state.now)) > world.window


def _too_doubtful(world: World, state: State) -> bool:
    spent = {name: before - left for (name, before), left in zip(world.faults._asdict().items(), state.left, strict=True)}
    losses = sum(spent[name] for name in ("kill", "power", "stall", "retire", "claim_reply"))
    return state.doubted > losses * world.window + spent["drop"]


def _too_early(world: World, state: State) -> bool:
    hands = [process.letters for number, process in enumerate(state.processes) if process.fence and holds(world, state, number)]
    rows = [state.deliveries[seq - 1] for letters in hands for seq, stage in letters if stage not in BACK]
    return any(row.state == DEFERRED and row.due > state.now for row in rows)


_CHECKS = (
    (Invariant.SETTLED_ONCE, lambda _, state: state.wrong is not None),
    (Invariant.ONCE, _twice),
    (Invariant.SENT_WAS_SENT, _sent_unsent),
    (Invariant.SKIPPED_WAS_NOT_SENT, _skipped_sent),
    (Invariant.BOOKS, _books),
    (Invariant.FINISHED_IS_DONE, _unfinished),
    (Invariant.INTENT, _unannounced),
    (Invariant.OPEN_BOUND, _too_open),
    (Invariant.DOUBT_BOUND, _too_doubtful),
    (Invariant.NOT_TOO_EARLY, _too_early),
)
