"""What happens to processes and mailings from outside: faults, people, policies and time. `free` needs no fault, and will happen."""

from collections.abc import Iterator

from tests.model.rules import Rule
from tests.model.state import (
    DEFERRED,
    ENDED,
    HELD,
    HOST_LOST,
    IN_DOUBT,
    LEASED,
    OVER,
    PAUSED,
    RETIRED,
    RUNNING,
    SENT,
    Delivery,
    Owner,
    State,
    World,
    let_go,
    recounted,
    reopen,
    skip_rest,
    spend,
    with_delivery,
    with_process,
)

Steps = Iterator[tuple[str, State]]
_NOTHING_IN_HAND = {"fence": 0, "works_as": 0, "ledger_no": 0, "worklist": (), "letters": (), "unanswered": None}


def free(world: World, state: State) -> Steps:
    """What will happen by itself: dead servers start again, leases end, time passes, somebody resumes."""
    for number in (0, 1):
        yield from _come_back(world, state, number)
    if any(one.state == DEFERRED and one.due > state.now for one in state.deliveries):
        yield "time passes", state._replace(now=state.now + 1)
    if state.mailing == PAUSED:
        yield "somebody resumes the mailing", state._replace(mailing=RUNNING)


def _come_back(world: World, state: State, number: int) -> Steps:
    process = state.processes[number]
    newer = {"incarnation": process.incarnation + 1, "lease": HELD}
    if not process.alive:
        yield f"server {number} starts again", with_process(state, number, alive=True, stopping=False, **newer)
    elif process.stopping and not process.fence:
        yield f"server {number} stops and starts again", with_process(state, number, stopping=False, **newer)
    elif process.lease == RETIRED:
        yield f"the deadline of server {number} passes", with_process(state, number, lease=OVER)
    elif process.lease == OVER and Rule.NO_REVIVAL in world.rules:
        yield f"server {number} rejoins as incarnation {process.incarnation + 1}", with_process(state, number, **newer)
    elif process.lease == OVER:
        yield f"server {number} renews the lease that ran out", with_process(state, number, lease=HELD)


def faults(world: World, state: State) -> Steps:
    """What need not happen, as far as the world has it."""
    for number, process in enumerate(state.processes):
        if process.alive and (process.fence or (state.batch.owner or (None,))[0] == number):
            yield from _strike(world, state, number)
    yield from _people(world, state)
    for seq, one in enumerate(state.deliveries, start=1):
        if one.state == IN_DOUBT:
            yield from _resolve(world, state, seq, one)


def _strike(world: World, state: State, number: int) -> Steps:
    if struck := spend(state, "kill"):
        yield f"process {number} is killed", _die(struck, number)
    if struck := spend(state, "power"):
        yield f"the host of process {number} loses its power", _lose_power(world, struck, world.hosts[number])
    if state.processes[number].lease == HELD:
        if struck := spend(state, "stall"):
            yield f"server {number} stalls until its lease has run out", with_process(struck, number, lease=OVER)
        if struck := spend(state, "retire"):
            yield f"somebody retires server {number} by force", with_process(struck, number, lease=RETIRED)
    if not state.processes[number].stopping and (struck := spend(state, "stop")):
        yield f"server {number} is told to stop", with_process(struck, number, stopping=True)


def _die(state: State, number: int) -> State:
    return with_process(state, number, alive=False, lease=OVER, stopping=False, **_NOTHING_IN_HAND)


def _lose_power(world: World, state: State, host: int) -> State:
    """What was written and not yet on the disk is gone, at worst all of it."""
    for number, process in enumerate(state.processes):
        if world.hosts[number] == host:
            files = {(number, incarnation) for incarnation in range(1, process.incarnation + 1)}
            kept = frozenset(record for record in state.journals if record.journal[0] != number)
            state = _die(state._replace(journals=kept, other_boot=state.other_boot | files), number)
    return state


def _people(world: World, state: State) -> Steps:
    if state.mailing == RUNNING and (paused := spend(state, "pause")):
        yield "somebody pauses the mailing", paused._replace(mailing=PAUSED)
    undone = state.batch.state in ("ready", "waiting", LEASED)
    if state.mailing in (RUNNING, PAUSED) and undone and (ended := spend(state, "cancel")):
        ended = ended._replace(mailing=ENDED)
        if state.batch.state != LEASED:
            ended = let_go(ended)
        elif Rule.ONLY_THE_HOLDER not in world.rules:
            ended = skip_rest(ended)
        yield "the mailing is cancelled, or expires", ended


def _resolve(world: World, state: State, seq: int, doubt: Delivery) -> Steps:
    stamp = state.batch.fence if Rule.REOPENING_STAMPS_PASS in world.rules else 0
    resendable = state.mailing != ENDED or Rule.ENDED_STAYS_ENDED not in world.rules
    if resendable and (asked := spend(state, "resend")):
        resends = tuple(n + (one == seq) for one, n in enumerate(state.resends, start=1))
        yield f"somebody resends {seq}", reopen(asked._replace(resends=resends), seq, stamp)
    on_record = doubt.doubt != HOST_LOST or Rule.ASSUME_SENT_NEEDS_S not in world.rules
    if on_record and (assumed := spend(state, "assume_sent")):
        settled = Delivery(SENT, stamp=state.batch.fence)
        yield f"the policy assumes that {seq} was sent", recounted(with_delivery(assumed, seq, settled))
    silent = not state.accepted[seq - 1] and _log_is_final(world, state, seq, doubt.by or (0, 0))
    if resendable and silent and (read := spend(state, "log")):
        yield f"the relay's log does not know {seq}: it is pending again", reopen(read, seq, stamp)


def _log_is_final(world: World, state: State, seq: int, sender: Owner) -> bool:
    process = state.processes[sender[0]]
    over = process.incarnation != sender[1] or process.lease == OVER or Rule.EVIDENCE_AFTER_LEASE not in world.rules
    still_open = any(dot.seq == seq for dot in state.wire) and Rule.EVIDENCE_AFTER_SESSION in world.rules
    return over and not still_open
