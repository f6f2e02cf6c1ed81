"""Double entry: the addresses of two ledgers compared, each sorted on disk, so that memory stays flat whatever their size."""

import heapq
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import groupby, islice

_ADDRESSES_AT_A_TIME = 50_000
MOST_SHOWN = 10


@dataclass(frozen=True)
class Comparison:
    """What two ledgers say about the same mailing.

    Attributes:
        num_sent: entries of ours.
        num_accepted: entries of the sink.
        num_doubled: addresses that the sink accepted more than once.
        num_missing: addresses that we count as sent and the sink does not have.
        num_surplus: addresses that the sink accepted and we do not count as sent.
        examples: some of those, in words.
    """

    num_sent: int = 0
    num_accepted: int = 0
    num_doubled: int = 0
    num_missing: int = 0
    num_surplus: int = 0
    examples: tuple[str, ...] = ()

    @property
    def agree(self) -> bool:
        """Whether both name the same addresses, each once."""
        return not (self.num_doubled or self.num_missing or self.num_surplus) and self.num_sent == self.num_accepted


def compare(sent: Iterable[str], accepted: Iterable[str]) -> Comparison:
    """Compare the addresses we count as sent with those that a sink accepted. Neither needs an order."""
    counts = dict.fromkeys(("num_sent", "num_accepted", "num_doubled", "num_missing", "num_surplus"), 0)
    examples: list[str] = []
    with in_order(sent) as ours, in_order(accepted) as theirs:
        for address, num_ours, num_theirs in _side_by_side(ours, theirs):
            counts["num_sent"] += num_ours
            counts["num_accepted"] += num_theirs
            for name, found in (
                ("num_doubled", num_theirs > 1),
                ("num_missing", num_ours > 0 and not num_theirs),
                ("num_surplus", num_theirs > 0 and not num_ours),
            ):
                counts[name] += found
                if found and len(examples) < MOST_SHOWN:
                    examples.append(f"{name.removeprefix('num_')}: {address}")
    return Comparison(**counts, examples=tuple(examples))


@contextmanager
def in_order(words: Iterable[str], *, at_a_time: int = _ADDRESSES_AT_A_TIME) -> Iterator[Iterator[str]]:
    """The same words sorted: parts in temporary files, merged as they are read."""
    rest = iter(words)
    with ExitStack() as files:
        parts: list[Iterable[str]] = []
        while part := sorted(islice(rest, at_a_time)):
            file = files.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n"))
            file.writelines(f"{word}\n" for word in part)
            file.seek(0)
            parts.append(line.rstrip("\n") for line in file)
        yield heapq.merge(*parts)


def _side_by_side(ours: Iterable[str], theirs: Iterable[str]) -> Iterator[tuple[str, int, int]]:
    """Each word once, with how often the one and the other has it; both are sorted."""
    tagged = heapq.merge(((word, 0) for word in ours), ((word, 1) for word in theirs))
    for word, group in groupby(tagged, key=lambda pair: pair[0]):
        counts = [0, 0]
        for _, side in group:
            counts[side] += 1
        yield word, counts[0], counts[1]
