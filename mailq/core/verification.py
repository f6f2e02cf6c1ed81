"""The books of a mailing against a recount of its deliveries: what differs, with numbers. Nothing is ever repaired."""

from collections.abc import Iterator
from dataclasses import dataclass

from mailq.core.batch import State as BatchState
from mailq.core.mailing import State

COUNTERS = ("num_profiles", "num_pending", "num_deferred", "num_sent", "num_errors", "num_skipped", "num_in_doubt")
"""Of a batch, in the order they are shown; `num_pending` is what the others leave."""

_DONE = frozenset({BatchState.FINISHED, BatchState.CANCELLED})


@dataclass(frozen=True, slots=True)
class BatchCheck:
    """One batch: what its row says, and what its deliveries say, of one moment. A row or deliveries may be missing.

    Attributes:
        number: None for deliveries whose batch is not there.
        kept: the counters of the row, by name.
        counted: the same, counted from the deliveries.
        span: first and last seq by the row.
        found_span: first and last seq of the deliveries.
    """

    number: int | None
    state: BatchState | None
    kept: dict[str, int]
    counted: dict[str, int]
    span: tuple[int, int] | None
    found_span: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that does not fit.

    Attributes:
        batch: the number of the batch; None if it is about the whole mailing.
        what: the counter, or a sentence.
        kept: what the books say.
        counted: what the deliveries say.
    """

    batch: int | None
    what: str
    kept: str
    counted: str


def differences_of_batch(checked: BatchCheck) -> Iterator[Difference]:
    """What of a batch does not fit its deliveries, or its own state."""
    if checked.number is None:
        yield Difference(None, "deliveries of a batch that is not there", "0", str(checked.counted["num_profiles"]))
        return
    for name in COUNTERS:
        if checked.kept[name] != checked.counted[name]:
            yield Difference(checked.number, name, str(checked.kept[name]), str(checked.counted[name]))
    if checked.span != checked.found_span:
        yield Difference(checked.number, "seqs", _words(checked.span), _words(checked.found_span))
    left = checked.counted["num_pending"] + checked.counted["num_deferred"]
    if checked.state in _DONE and left:
        yield Difference(checked.number, f"{checked.state}, with deliveries still to send", "0", str(left))


@dataclass(slots=True)
class MailingCheck:
    """Sums up the batches of a mailing as they come, in the order of their numbers, and judges the mailing at the end."""

    state: State
    num_loaded: int
    num_batches: int = 0
    num_deliveries: int = 0
    num_left: int = 0
    num_undone: int = 0
    last_seq: int = 0

    def add(self, checked: BatchCheck) -> Iterator[Difference]:
        """Take a batch; what of it does not fit, or does not join the one before."""
        yield from differences_of_batch(checked)
        self.num_batches += checked.number is not None
        self.num_deliveries += checked.counted["num_profiles"]
        self.num_left += checked.counted["num_pending"] + checked.counted["num_deferred"]
        self.num_undone += checked.state is not None and checked.state not in _DONE
        if checked.span is not None:
            if checked.span[0] != self.last_seq + 1:
                yield Difference(
                    checked.number, "first seq after that of the batch before", str(checked.span[0]), str(self.last_seq + 1)
                )
            self.last_seq = checked.span[1]

    def differences(self) -> Iterator[Difference]:
        """What of the mailing itself does not fit."""
        if self.num_loaded != self.num_deliveries:
            yield Difference(None, "num_loaded", str(self.num_loaded), str(self.num_deliveries))
        if self.state is State.FINISHED and self.num_left:
            yield Difference(None, "finished, with deliveries still to send", "0", str(self.num_left))
        if self.state is State.FINISHED and self.num_undone:
            yield Difference(None, "finished, with batches that are not done", "0", str(self.num_undone))


def _words(span: tuple[int, int] | None) -> str:
    return "none" if span is None else f"{span[0]}-{span[1]}"
