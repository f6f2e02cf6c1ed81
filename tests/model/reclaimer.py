"""What a reclaimer does: look at a batch and at the journal its lease names, lock the row, settle the open set by evidence."""

from collections.abc import Iterator

from tests.model.process import due_after_refusal
from tests.model.rules import Rule
from tests.model.state import (
    ACCEPTED,
    DEFERRED,
    ENDED,
    HELD,
    HOST_LOST,
    IN_DOUBT,
    LEASED,
    REFUSED,
    SENT,
    UNSETTLED,
    WORKER_KILLED,
    Delivery,
    Look,
    Owner,
    Record,
    State,
    World,
    let_go,
    open_set,
    skip_rest,
    with_delivery,
)

Steps = Iterator[tuple[str, State]]


def steps(world: World, state: State) -> Steps:
    """Everything a reclaimer may do next. Look and lock are one step, unless the world says that it can be overtaken."""
    if state.look is not None:
        yield _seize(world, state._replace(look=None), state.look)
    if state.batch.state == LEASED and state.batch.owner is not None:
        for number in (0, 1):
            if _may_take(world, state, number, state.batch.owner):
                yield from _reclaim(world, state, number, state.batch.owner)


def _reclaim(world: World, state: State, number: int, owner: Owner) -> Steps:
    records = _evidence(world, state, number, owner)
    seen = Look(state.batch, state.deliveries, records, _journal_read(world, state, owner))
    how = "no journal that proves anything" if records is None else "the journal at hand"
    if not world.slow_reclaim or state.look is not None:
        yield f"server {number} reclaims the batch, {how}", _seize(world, state, seen)[1]
        return
    yield f"server {number} looks at the batch, {how}", state._replace(look=seen)


def _may_take(world: World, state: State, number: int, owner: Owner) -> bool:
    """A former incarnation of its own, a lease that is over, or a batch of which its own process knows nothing."""
    taker, held_by = state.processes[number], state.processes[owner[0]]
    if not taker.alive:
        return False
    if held_by.incarnation == owner[1] and held_by.alive and held_by.lease == HELD:
        return number == owner[0] and not held_by.fence and Rule.LEFTOVERS_FIRST in world.rules
    # Its own process that still lives hands back by itself.
    return number != owner[0] or not _lives(state, owner)


def _lives(state: State, owner: Owner) -> bool:
    """Whether the lock of the owner's journal is held."""
    process = state.processes[owner[0]]
    return process.alive and (process.works_as == owner[1] if process.fence else process.incarnation == owner[1])


def _journal_read(world: World, state: State, owner: Owner) -> Owner:
    if Rule.JOURNAL_NAMED_BY_LEASE in world.rules:
        return owner
    return owner[0], state.processes[owner[0]].incarnation


def _evidence(world: World, state: State, number: int, owner: Owner) -> frozenset[Record] | None:
    rules = world.rules
    itself = number == owner[0] and not state.processes[number].fence
    if _lives(state, owner) and not itself and Rule.JOURNAL_OF_THE_DEAD in rules:
        return None
    if owner in state.other_boot and Rule.JOURNAL_OF_THIS_BOOT in rules:
        return None
    if world.hosts[number] != world.hosts[owner[0]]:
        return None if Rule.MISSING_PROVES_NOTHING in rules else frozenset()
    return state.journals


def _seize(world: World, state: State, seen: Look) -> tuple[str, State]:
    row = state.batch
    same = row.owner == seen.batch.owner and row.fence == seen.batch.fence
    if row.state != LEASED or (not same and Rule.RECLAIM_COMPARES_FENCE in world.rules):
        return "the reclaimer finds the batch changed and does nothing", state
    batch, deliveries = (row, state.deliveries) if Rule.LOCK_THEN_READ in world.rules else (seen.batch, seen.deliveries)
    if state.mailing == ENDED and Rule.OPEN_BEFORE_REST not in world.rules:
        return "the reclaimer takes the batch", let_go(skip_rest(state), fence=row.fence + 1)
    owner = row.owner or (0, 0)
    for seq in open_set(world, batch, deliveries, state.now):
        state = _settle(world, state, seen, seq, owner)
    return "the reclaimer takes the batch", let_go(state, fence=row.fence + 1)


def _settle(world: World, state: State, seen: Look, seq: int, owner: Owner) -> State:
    was, stamp = state.deliveries[seq - 1], state.batch.fence
    if was.state not in UNSETTLED:
        return state._replace(wrong=f"delivery {seq} is reclaimed, but it was {was.state} already")
    if seen.records is None:
        return with_delivery(state, seq, Delivery(IN_DOUBT, stamp=stamp, doubt=HOST_LOST, by=owner))
    marks = {
        one.mark
        for one in seen.records
        if one.journal == seen.journal
        and one.seq == seq
        and (one.fence == seen.batch.fence or Rule.RECORDS_NAME_FENCE not in world.rules)
    }
    if ACCEPTED in marks:
        return with_delivery(state, seq, Delivery(SENT, stamp=stamp))
    if REFUSED in marks:
        return with_delivery(state, seq, Delivery(DEFERRED, due=due_after_refusal(world, state), stamp=stamp))
    if "S" in marks and "A" not in marks:
        return with_delivery(state, seq, Delivery(IN_DOUBT, stamp=stamp, doubt=WORKER_KILLED, by=owner))
    return state
