"""A mailing's books as a plain Python model, to hold against the ledger in PostgreSQL step by step."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

UNSETTLED = ("pending", "deferred")

REPLIES = {250: "sent", 451: "deferred", 550: "error"}
"""What a reply to the final dot makes of a delivery."""


@dataclass
class ModelDelivery:
    """A delivery: `is_due` of a deferred one, `doubt` of one in doubt; `given_up` of one that was, and counts as not sent."""

    state: str = "pending"
    is_due: bool = True
    doubt: str | None = None
    given_up: bool = False

    def become(self, state: str, *, is_due: bool = True, doubt: str | None = None, given_up: bool = False) -> None:
        """Settle it, or open it again."""
        self.state, self.is_due, self.doubt, self.given_up = state, is_due, doubt, given_up


@dataclass(eq=False)
class ModelHolder:
    """What a worker process knows of the pass it works, or believes to work: what it may begin yet, and what is in its hand."""

    batch: "ModelBatch"
    watermark: int
    to_begin: list[int]
    in_hand: list[int] = field(default_factory=list)

    @property
    def is_current(self) -> bool:
        """Whether the books say so too."""
        return self.batch.holder is self


@dataclass(eq=False)
class ModelBatch:
    """A batch; `is_due` of a waiting one."""

    deliveries: dict[int, ModelDelivery]
    state: str = "ready"
    fence: int = 0
    watermark: int = 0
    is_due: bool = True
    holder: ModelHolder | None = None

    def claim(self) -> ModelHolder:
        """Begin a pass: what is to be worked in it is fixed now."""
        self.state, self.fence, self.watermark = "leased", self.fence + 1, min(self.deliveries) - 1
        work = [seq for seq, one in self.deliveries.items() if one.state in UNSETTLED and one.is_due]
        self.holder = ModelHolder(self, self.watermark, work)
        return self.holder

    def advance(self, settled: Mapping[int, ModelDelivery], begun: int) -> None:
        """A window transaction of the holder: settle some of what is in its hand, begin the next ones."""
        assert self.holder is not None
        for seq, after in settled.items():
            self.deliveries[seq] = replace(after)
            self.holder.in_hand.remove(seq)
        for _ in range(begun):
            self.watermark = self.holder.watermark = self.holder.to_begin.pop(0)
            self.holder.in_hand.append(self.watermark)

    def let_go(self, *, ended: bool, rest: bool = False) -> None:
        """Nobody holds it any more: what is left decides where it goes."""
        self.holder = None
        left = [one for one in self.deliveries.values() if one.state in UNSETTLED]
        if ended:
            self.skip_rest()
        elif any(one.state == "pending" for one in left):
            self.state, self.is_due = ("waiting", False) if rest else ("ready", True)
        elif left:
            self.state, self.is_due = "waiting", any(one.is_due for one in left) and not rest
        else:
            self.state = "finished"

    def skip_rest(self) -> None:
        """The mailing has ended: what nobody has begun is skipped."""
        self.state = "cancelled"
        for one in self.deliveries.values():
            if one.state in UNSETTLED:
                one.become("skipped")

    def reclaim(self, known: Mapping[int, int | None] | None, *, ended: bool) -> None:
        """Take it from its holder.

        Args:
            known: what the journal says of the deliveries whose dot has left: the reply's code, or None if it never came.
                None: there is no journal that proves anything.
        """
        assert self.holder is not None
        for seq in self.holder.in_hand:
            if known is None:
                self.deliveries[seq].become("in_doubt", doubt="host_lost")
            elif seq in known:
                code = known[seq]
                if code is None:
                    self.deliveries[seq].become("in_doubt", doubt="worker_killed")
                else:
                    self.deliveries[seq].become(REPLIES[code], is_due=code != 451)
        self.fence += 1
        self.let_go(ended=ended)

    def time_passes(self) -> None:
        """Everything is due."""
        self.is_due = True
        for one in self.deliveries.values():
            one.is_due = True

    def resend(self, seq: int) -> None:
        """Open a doubt or an error again; a batch that is leased keeps its holder, who does not see it in this pass."""
        self.deliveries[seq].become("pending")
        if self.state in ("finished", "waiting"):
            self.state = "ready"


@dataclass
class ModelMailing:
    """The mailing and its batches."""

    batches: list[ModelBatch]
    state: str = "running"

    @property
    def ended(self) -> bool:
        """Whether its rest is skipped."""
        return self.state == "cancelled"

    def maybe_finish(self) -> None:
        """A batch was finished: was it the last?"""
        if self.state in ("running", "paused") and all(batch.state in ("finished", "cancelled") for batch in self.batches):
            self.state = "finished"

    def batch_of(self, seq: int) -> ModelBatch:
        """The batch a delivery is in."""
        return next(batch for batch in self.batches if seq in batch.deliveries)

    def cancel(self) -> None:
        """End it: what nobody holds is skipped."""
        self.state = "cancelled"
        for batch in self.batches:
            if batch.state in ("ready", "waiting"):
                batch.skip_rest()

    def states(self) -> dict[int, tuple[str, str | None]]:
        """Every delivery's state, and why it is in doubt, by seq."""
        return {seq: (one.state, one.doubt) for batch in self.batches for seq, one in batch.deliveries.items()}

    def doubts(self) -> dict[int, str]:
        """Why each delivery that is in doubt is so."""
        return {seq: doubt for seq, (_, doubt) in self.states().items() if doubt is not None}

    def errors(self) -> list[int]:
        """The deliveries that ended in an error."""
        return [seq for seq, (state, _) in self.states().items() if state == "error"]
