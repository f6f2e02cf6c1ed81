"""What a worker process does: claim, window transactions, dots, and letting go."""

from collections.abc import Iterator

from tests.model.rules import Rule
from tests.model.state import (
    ABANDONED,
    ACCEPTED,
    BACK,
    BEGUN,
    CHECKED,
    DEFERRED,
    DOTTED,
    FINISHED,
    HELD,
    IN_DOUBT,
    LEASED,
    NO_REPLY,
    NOTED,
    OVER,
    READY,
    REFUSED,
    RETIRED,
    RUNNING,
    SENT,
    UNNOTED,
    UNSENT,
    UNSETTLED,
    WAITING,
    Delivery,
    Dot,
    Letter,
    Process,
    Record,
    State,
    World,
    let_go,
    recounted,
    reopen,
    spend,
    with_delivery,
    with_letter,
    with_process,
    workable,
)

Steps = Iterator[tuple[str, State]]


def steps(world: World, state: State, number: int) -> Steps:
    """Everything this process may do next."""
    me = state.processes[number]
    if not me.alive:
        return
    if not me.fence:
        yield from _claim(world, state, number)
        return
    if me.unanswered is None:
        yield from _commit(world, state, number)
        yield from _close(world, state, number)
    else:
        yield from _ask_whether_committed(world, state, number)
    for letter in me.letters:
        yield from _send(world, state, number, letter)


def holds(world: World, state: State, number: int) -> bool:
    """Whether the batch's row says what this process believes."""
    me, batch = state.processes[number], state.batch
    if Rule.FENCED_WRITES not in world.rules:
        return True
    return batch.state == LEASED and batch.owner == (number, me.works_as) and batch.fence == me.fence


def due_after_refusal(world: World, state: State) -> int:
    """When a refused message is tried again; a clock that is behind calls that now what is already past."""
    return state.now + (0 if world.slow_clock else 1)


def _claim(world: World, state: State, number: int) -> Steps:
    me, batch = state.processes[number], state.batch
    # What differs only in the processes' names is one case: the first claim is the first one's.
    if me.stopping or (number and batch.fence == 1):
        return
    may = me.lease == HELD or (me.lease == RETIRED and Rule.CLAIM_CHECKS_LEASE not in world.rules)
    due = batch.state == WAITING and min(one.due for one in state.deliveries if one.state == DEFERRED) <= state.now
    if not may or state.mailing != RUNNING or not (batch.state == READY or due):
        return
    batch = batch._replace(state=LEASED, owner=(number, me.incarnation), started=state.now)
    if Rule.CLAIM_RAISES_FENCE in world.rules:
        batch = batch._replace(fence=batch.fence + 1)
    if Rule.CLAIM_RESETS_WATERMARK in world.rules:
        batch = batch._replace(watermark=0)
    claimed = state._replace(batch=batch)
    worklist = tuple(seq for seq, one in enumerate(state.deliveries, start=1) if workable(world, one, batch, state.now))
    facts = {"fence": batch.fence, "works_as": me.incarnation, "ledger_no": batch.ledger_no, "worklist": worklist}
    yield f"process {number} claims the batch, fence {batch.fence}", with_process(claimed, number, **facts)
    if unlucky := spend(claimed, "claim_reply"):
        yield f"process {number} claims the batch, fence {batch.fence}, and never hears of it", unlucky


def _commit(world: World, state: State, number: int) -> Steps:
    me = state.processes[number]
    back = tuple(letter for letter in me.letters if letter[1] in BACK)
    room = world.window - len(me.letters) + len(back)
    goes_on = state.mailing == RUNNING and not me.stopping and _may_send(world, me)
    begun = me.worklist[:room] if goes_on else ()
    if not back and not begun:
        return
    if not holds(world, state, number):
        yield _lose(world, state, number)
        return
    written = _write(world, state, number, back, begun)
    what = f"process {number} commits: settles {[seq for seq, _ in back]}, begins {list(begun)}"
    yield what, _go_on(written, number, back, begun)
    if unlucky := spend(written, "commit_reply"):
        yield f"{what}; the reply is lost", with_process(unlucky, number, unanswered=(back, begun))
    if unlucky := spend(state, "commit_reply"):
        if Rule.DISCARD_AFTER_ACK not in world.rules:
            unlucky = _discard(unlucky, number, {seq for seq, _ in back})
        yield f"{what}; it never takes place, nor does a reply", with_process(unlucky, number, unanswered=(back, begun))


def _ask_whether_committed(world: World, state: State, number: int) -> Steps:
    me = state.processes[number]
    back, begun = me.unanswered or ((), ())
    if not holds(world, state, number):
        yield _lose(world, state, number)
        return
    committed = state.batch.ledger_no != me.ledger_no
    guesses = {committed} if Rule.LEDGER_NO_TELLS in world.rules else {True, False}
    if True in guesses:
        yield f"process {number} takes its commit for done", _go_on(state, number, back, begun)
    if False in guesses:
        yield f"process {number} repeats its commit", _go_on(_write(world, state, number, back, begun), number, back, begun)


def _write(world: World, state: State, number: int, back: tuple[Letter, ...], begun: tuple[int, ...]) -> State:
    me = state.processes[number]
    for seq, stage in back:
        was = state.deliveries[seq - 1]
        if was.state not in UNSETTLED:
            state = state._replace(wrong=f"delivery {seq} is settled, but it was {was.state} already")
        stamp = me.fence if Rule.SETTLING_STAMPS_PASS in world.rules else was.stamp
        state = with_delivery(state, seq, _settled(world, state, number, stage, stamp))
    batch = state.batch
    if Rule.INTENT_FIRST in world.rules:
        watermark = begun[-1] if begun else batch.watermark
    else:
        watermark = max([batch.watermark, *(seq for seq, _ in back)])
    return state._replace(batch=batch._replace(watermark=watermark, ledger_no=1 - batch.ledger_no))


def _settled(world: World, state: State, number: int, stage: str, stamp: int) -> Delivery:
    match stage:
        case "accepted":
            return Delivery(SENT, stamp=stamp)
        case "refused":
            return Delivery(DEFERRED, due=due_after_refusal(world, state), stamp=stamp)
        case _:
            return Delivery(IN_DOUBT, stamp=stamp, doubt=NO_REPLY, by=(number, state.processes[number].works_as))


def _go_on(state: State, number: int, back: tuple[Letter, ...], begun: tuple[int, ...]) -> State:
    me = state.processes[number]
    letters = (*(letter for letter in me.letters if letter not in back), *((seq, BEGUN) for seq in begun))
    facts = {"letters": letters, "worklist": me.worklist[len(begun) :], "unanswered": None}
    return with_process(state, number, ledger_no=state.batch.ledger_no, **facts)


def _send(world: World, state: State, number: int, letter: Letter) -> Steps:
    seq, stage = letter
    me = state.processes[number]
    who = f"process {number}"
    if stage == BEGUN and not me.stopping and _may_send(world, me):
        if Rule.S_BEFORE_DOT not in world.rules:
            yield f"{who} sends dot {seq}", _dot(state, number, seq, UNNOTED)
        elif Rule.CHECK_AFTER_S not in world.rules:
            yield f"{who} asks its deadline for {seq}", with_letter(state, number, seq, CHECKED)
        else:
            yield f"{who} notes S {seq}", with_letter(_note(state, number, seq, "S"), number, seq, NOTED)
    elif stage == CHECKED:
        yield f"{who} notes S {seq} and sends dot {seq}", _dot(_note(state, number, seq, "S"), number, seq, DOTTED)
    elif stage == NOTED and (_may_send(world, me) or Rule.DEADLINE_IS_ASKED not in world.rules):
        yield f"{who} asks its deadline and sends dot {seq}", _dot(state, number, seq, DOTTED)
    elif stage == NOTED:
        yield f"{who} notes A {seq}", with_letter(_note(state, number, seq, "A"), number, seq, ABANDONED)
    elif stage == UNNOTED:
        yield f"{who} notes S {seq}", with_letter(_note(state, number, seq, "S"), number, seq, DOTTED)


def _dot(state: State, number: int, seq: int, stage: str) -> State:
    me = state.processes[number]
    dot = Dot(seq, (number, me.works_as), me.fence)
    return with_letter(state._replace(wire=state.wire | {dot}), number, seq, stage)


def _note(state: State, number: int, seq: int, mark: str) -> State:
    me = state.processes[number]
    record = Record((number, me.works_as), me.fence, seq, mark)
    noted = state.noted | {seq} if mark == "S" else state.noted
    return state._replace(journals=state.journals | {record}, noted=noted)


def _close(world: World, state: State, number: int) -> Steps:
    me = state.processes[number]
    done = not me.worklist and not me.letters
    stops = me.stopping or state.mailing != RUNNING or not _may_send(world, me)
    if not (done or (stops and all(stage in UNSENT for _, stage in me.letters))):
        return
    if not holds(world, state, number):
        yield _lose(world, state, number)
        return
    closed = let_go(state)
    if done and Rule.FINISH_RECOUNTS not in world.rules:
        remembered = WAITING if any(one.state == DEFERRED for one in state.deliveries) else FINISHED
        closed = closed._replace(batch=closed.batch._replace(state=remembered))
    if not world.late_discard:
        closed = _discard(closed, number, set(range(1, world.deliveries + 1)))
    yield f"process {number} closes the batch: {closed.batch.state}", _idle(closed, number)


def _lose(world: World, state: State, number: int) -> tuple[str, State]:
    """The row is no longer as the process believes: it writes nothing about the batch, and drops what it has not sent."""
    if not world.testimony:
        return f"process {number} finds its lease lost", _idle(state, number)
    for seq, stage in state.processes[number].letters:
        state = _testify(world, state, number, seq, stage)
    return f"process {number} finds its lease lost and tells what it knows", _idle(state, number)


def _testify(world: World, state: State, number: int, seq: int, stage: str) -> State:
    me, row = state.processes[number], state.deliveries[seq - 1]
    same_pass = row.stamp == me.fence or Rule.TESTIMONY_NAMES_PASS not in world.rules
    if row.state != IN_DOUBT or not same_pass:
        return state
    if stage == ACCEPTED:
        return with_delivery(state, seq, Delivery(SENT, stamp=state.batch.fence))
    if stage in (*UNSENT, NOTED) and state.mailing == RUNNING:
        return reopen(state, seq, state.batch.fence)
    if stage == REFUSED and state.mailing == RUNNING:
        deferred = Delivery(DEFERRED, due=due_after_refusal(world, state), stamp=state.batch.fence)
        return recounted(with_delivery(state, seq, deferred))
    return state


def _idle(state: State, number: int) -> State:
    return with_process(state, number, fence=0, works_as=0, ledger_no=0, worklist=(), letters=(), unanswered=None)


def _discard(state: State, number: int, seqs: set[int]) -> State:
    mine = (number, state.processes[number].works_as)
    return state._replace(journals=frozenset(one for one in state.journals if one.journal != mine or one.seq not in seqs))


def _may_send(world: World, me: Process) -> bool:
    same = me.incarnation == me.works_as or Rule.BOARD_NAMES_INCARNATION not in world.rules
    return same and me.lease != OVER
