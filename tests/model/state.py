"""What the model remembers: one batch, its deliveries, two worker processes, their journals and the relay."""

from typing import NamedTuple

from tests.model.rules import EVERY_RULE, Rule

# Deliveries.
PENDING, DEFERRED, SENT, IN_DOUBT, SKIPPED = "pending", "deferred", "sent", "in doubt", "skipped"
UNSETTLED = (PENDING, DEFERRED)
COUNTED = (SENT, DEFERRED, IN_DOUBT, SKIPPED)

# Batches and mailings.
READY, LEASED, WAITING, FINISHED, CANCELLED = "ready", "leased", "waiting", "finished", "cancelled"
RUNNING, PAUSED, ENDED = "running", "paused", "ended"

# Leases. RETIRED: the database took it away, the local deadline is still ahead.
HELD, RETIRED, OVER = "held", "retired", "over"

# Letters in a process's hand, in their order. CHECKED and UNNOTED occur only where a rule was taken away.
BEGUN, CHECKED, NOTED, UNNOTED, DOTTED = "begun", "checked", "S noted", "dot before S", "dot left"
ABANDONED, ACCEPTED, REFUSED, UNANSWERED = "abandoned", "accepted", "refused", "unanswered"
BACK = (ACCEPTED, REFUSED, UNANSWERED)
UNSENT = (BEGUN, ABANDONED)

# Why a delivery is in doubt.
WORKER_KILLED, HOST_LOST, NO_REPLY = "worker_killed", "host_lost", "no reply"

Owner = tuple[int, int]
"""A process and its incarnation; also the name of its journal."""

Letter = tuple[int, str]
"""A seq and how far it is."""


class Delivery(NamedTuple):
    """A row of `delivery`; `stamp` is its column `pass`, `by` whose pass left it in doubt."""

    state: str = PENDING
    due: int = 0
    stamp: int = 0
    doubt: str | None = None
    by: Owner | None = None


class Batch(NamedTuple):
    """The row of the batch; `counters` in the order of `COUNTED`, `ledger_no` modulo 2: all that is asked is whether it moved."""

    state: str = READY
    owner: Owner | None = None
    fence: int = 1
    watermark: int = 0
    started: int = 0
    ledger_no: int = 0
    counters: tuple[int, ...] = (0, 0, 0, 0)


class Process(NamedTuple):
    """A worker process, which is all of its server here. `fence` 0: it has no batch.

    Attributes:
        works_as: the incarnation that claimed the batch; the server may have rejoined as another since.
        unanswered: what a commit settled and began whose reply was lost.
    """

    alive: bool = True
    incarnation: int = 1
    lease: str = HELD
    stopping: bool = False
    fence: int = 0
    works_as: int = 0
    ledger_no: int = 0
    worklist: tuple[int, ...] = ()
    letters: tuple[Letter, ...] = ()
    unanswered: tuple[tuple[Letter, ...], tuple[int, ...]] | None = None


class Dot(NamedTuple):
    """A message whose last byte has left and which the relay has not judged yet."""

    seq: int
    sender: Owner
    fence: int


class Record(NamedTuple):
    """A record of a journal: `S`, `A`, or R as the reply's meaning, `accepted` or `refused`."""

    journal: Owner
    fence: int
    seq: int
    mark: str


class Look(NamedTuple):
    """What a reclaimer saw before it took the lock; `records` None: no journal that proves anything."""

    batch: Batch
    deliveries: tuple[Delivery, ...]
    records: frozenset[Record] | None
    journal: Owner


class Faults(NamedTuple):
    """How often each thing may still happen that need not."""

    kill: int = 0
    power: int = 0
    stall: int = 0
    retire: int = 0
    stop: int = 0
    claim_reply: int = 0
    commit_reply: int = 0
    refusal: int = 0
    drop: int = 0
    cancel: int = 0
    pause: int = 0
    resend: int = 0
    assume_sent: int = 0
    log: int = 0


class State(NamedTuple):
    """Everything at one moment.

    Attributes:
        accepted: how often the relay accepted each delivery: the other ledger.
        resends: how often a person asked for each delivery again.
        noted: deliveries of which an S was ever written.
        doubted: how many deliveries have come into doubt so far.
        wrong: a rule of the database that was hit on the way.
    """

    left: Faults
    deliveries: tuple[Delivery, ...]
    accepted: tuple[int, ...]
    resends: tuple[int, ...]
    batch: Batch = Batch()
    processes: tuple[Process, ...] = (Process(), Process())
    mailing: str = RUNNING
    now: int = 0
    wire: frozenset[Dot] = frozenset()
    journals: frozenset[Record] = frozenset()
    other_boot: frozenset[Owner] = frozenset()
    look: Look | None = None
    noted: frozenset[int] = frozenset()
    doubted: int = 0
    wrong: str | None = None


class World(NamedTuple):
    """What does not change in a search.

    Attributes:
        faults: what may happen, and how often.
        hosts: the host of each process; a journal is at hand on its own host only.
        late_discard: records outlive the close of their pass.
        slow_reclaim: a reclaimer may be overtaken between its look and its lock.
        testimony: a process that lost its lease tells what it knows.
        slow_clock: due times come from a clock that is behind.
    """

    faults: Faults
    rules: frozenset[Rule] = EVERY_RULE
    deliveries: int = 2
    window: int = 2
    hosts: tuple[int, int] = (0, 1)
    late_discard: bool = False
    slow_reclaim: bool = False
    testimony: bool = False
    slow_clock: bool = False

    def start(self) -> State:
        """A batch that is ready, and two processes that have nothing to do."""
        none = (0,) * self.deliveries
        return State(self.faults, (Delivery(),) * self.deliveries, none, none)


def counted(deliveries: tuple[Delivery, ...]) -> tuple[int, ...]:
    """The recount that the counters must equal."""
    states = [one.state for one in deliveries]
    return tuple(states.count(state) for state in COUNTED)


def workable(world: World, delivery: Delivery, batch: Batch, now: int) -> bool:
    """The one predicate of worklist and open set."""
    if delivery.state not in UNSETTLED or (Rule.PASS_BEFORE_FENCE in world.rules and delivery.stamp >= batch.fence):
        return False
    if delivery.state == PENDING or Rule.DUE_IS_RESPECTED not in world.rules:
        return True
    return delivery.due <= (batch.started if Rule.DUE_BY_STORED_VALUES in world.rules else now)


def open_set(world: World, batch: Batch, deliveries: tuple[Delivery, ...], now: int) -> list[int]:
    """The seqs that have begun and are not settled."""
    begun = enumerate(deliveries[: batch.watermark], start=1)
    return [seq for seq, one in begun if workable(world, one, batch, now)]


def spend(state: State, fault: str) -> State | None:
    """The state with one fault less to come; None if there is none left."""
    left = getattr(state.left, fault)
    return state._replace(left=state.left._replace(**{fault: left - 1})) if left else None


def with_process(state: State, number: int, **changes: object) -> State:
    """The state with one process changed."""
    changed = state.processes[number]._replace(**changes)
    return state._replace(processes=(changed, state.processes[1]) if number == 0 else (state.processes[0], changed))


def with_delivery(state: State, seq: int, delivery: Delivery) -> State:
    """The state with one delivery replaced, and the counters moved by what its writer believes to have changed."""
    was = state.deliveries[seq - 1]
    deliveries = (*state.deliveries[: seq - 1], delivery, *state.deliveries[seq:])
    counters = list(state.batch.counters)
    if was.state in COUNTED:
        counters[COUNTED.index(was.state)] -= 1
    if delivery.state in COUNTED:
        counters[COUNTED.index(delivery.state)] += 1
    doubted = state.doubted + (delivery.state == IN_DOUBT)
    return state._replace(deliveries=deliveries, doubted=doubted, batch=state.batch._replace(counters=tuple(counters)))


def with_letter(state: State, number: int, seq: int, stage: str) -> State:
    """The state with one letter in another stage."""
    letters = tuple((one, stage if one == seq else before) for one, before in state.processes[number].letters)
    return with_process(state, number, letters=letters)


def let_go(state: State, **changes: object) -> State:
    """The batch without owner, in the state that a recount gives it; the rest of an ended mailing is skipped."""
    if state.mailing == ENDED:
        state = skip_rest(state)
    states = {one.state for one in state.deliveries}
    after = CANCELLED if state.mailing == ENDED else READY if PENDING in states else WAITING if DEFERRED in states else FINISHED
    batch = state.batch._replace(state=after, owner=None, ledger_no=1 - state.batch.ledger_no)
    return state._replace(batch=batch._replace(**changes))


def skip_rest(state: State) -> State:
    """Skip everything that is not settled."""
    for seq, one in enumerate(state.deliveries, start=1):
        if one.state in UNSETTLED:
            state = with_delivery(state, seq, Delivery(SKIPPED, stamp=state.batch.fence))
    return state


def reopen(state: State, seq: int, stamp: int) -> State:
    """A doubt becomes pending again, and its batch ready if nobody holds it."""
    state = with_delivery(state, seq, Delivery(PENDING, stamp=stamp))
    return recounted(state)


def recounted(state: State) -> State:
    """The batch where its deliveries want it, unless somebody holds it or it was cancelled."""
    return state if state.batch.state in (LEASED, CANCELLED) else let_go(state)
