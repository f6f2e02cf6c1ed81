"""The tally: what came of the faults, by kind."""

from bisect import bisect_right
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mailq.core.outcome import Doubt
from mailq.local.proof.kinds import LIKELY, Kind
from mailq.local.proof.verdict import Account, Breach, Verdict

COLUMNS = ("kind", "faults", "mails", "lost", "doubled", "in doubt", "bound")
_LATELY = 12


@dataclass
class Line:
    """What belongs to one kind: its faults, and what happened from each until the next one.

    Attributes:
        bound: how many deliveries its faults may have left in doubt.
    """

    faults: int = 0
    mails: int = 0
    lost: int = 0
    doubled: int = 0
    unbalanced: int = 0
    in_doubt: int = 0
    bound: int = 0


@dataclass
class _Timeline:
    times: list[datetime] = field(default_factory=list)
    kinds: list[Kind] = field(default_factory=list)

    def add(self, at: datetime, kind: Kind) -> None:
        self.times.append(at)
        self.kinds.append(kind)

    def before(self, at: datetime | None, likely: Collection[Kind] = ()) -> Kind | None:
        """The kind of the latest fault before a moment; one of the likely kinds, if there was one lately."""
        place = len(self.kinds) if at is None else bisect_right(self.times, at)
        lately = self.kinds[max(0, place - _LATELY) : place][::-1]
        return next((kind for kind in lately if kind in likely), lately[0] if lately else None)


@dataclass
class Tally:
    """The sums of a proof.

    Doubt belongs to the latest fault before it that brings about such doubt as a rule, or else that may leave any.
    """

    seed: int
    lines: dict[Kind, Line] = field(default_factory=dict)
    num_mails: int = 0
    num_in_doubt: int = 0
    num_over_bound: int = 0
    counts: dict[Breach, int] = field(default_factory=lambda: dict.fromkeys(Breach, 0))
    _all: _Timeline = field(default_factory=_Timeline)
    _doubtful: _Timeline = field(default_factory=_Timeline)

    @property
    def num_faults(self) -> int:
        """Faults inflicted."""
        return sum(line.faults for line in self.lines.values())

    def inflicted(self, kind: Kind, at: datetime, bound: int) -> None:
        """Note a fault."""
        line = self.lines.setdefault(kind, Line())
        line.faults += 1
        line.bound += bound
        self._all.add(at, kind)
        if bound:
            self._doubtful.add(at, kind)

    def note(self, what: str, at: datetime | None, doubt: str | None = None) -> None:
        """Put one mail, doubt or breach to the account of the fault before it; what came before any is nobody's.

        Args:
            doubt: its reason.
        """
        likely = LIKELY[Doubt(doubt)] if doubt else ()
        kind = self._doubtful.before(at, likely) if what == Account.IN_DOUBT else self._all.before(at)
        if kind is not None:
            line = self.lines[kind]
            setattr(line, what, getattr(line, what) + 1)

    def add(self, verdict: Verdict, *, bound: int) -> None:
        """Add what a round has shown."""
        self.num_mails += verdict.num_mails
        self.num_in_doubt += verdict.num_in_doubt
        self.num_over_bound += max(0, verdict.num_in_doubt - bound)
        for kind, number in verdict.counts.items():
            self.counts[kind] += number

    def rows(self) -> Iterable[tuple[object, ...]]:
        """The table, the sum last."""
        for kind in Kind:
            if kind in self.lines:
                line = self.lines[kind]
                yield kind, line.faults, line.mails, line.lost, line.doubled, line.in_doubt, line.bound
        bound = sum(line.bound for line in self.lines.values())
        yield (
            "all",
            self.num_faults,
            self.num_mails,
            self.counts[Breach.LOST],
            self.counts[Breach.DOUBLED],
            self.num_in_doubt,
            bound,
        )

    def document(self) -> dict[str, Any]:
        """The sums for programs."""
        return {
            "faults": self.num_faults,
            "mails": self.num_mails,
            "lost": self.counts[Breach.LOST],
            "doubled": self.counts[Breach.DOUBLED],
            "in_doubt": self.num_in_doubt,
            "doubt_over_bound": self.num_over_bound,
            "unbalanced": self.counts[Breach.UNBALANCED],
            "seed": self.seed,
            "by_kind": {kind.value: _document(self.lines[kind]) for kind in Kind if kind in self.lines},
        }


def _document(line: Line) -> dict[str, int]:
    return {name: getattr(line, name) for name in ("faults", "mails", "lost", "doubled", "in_doubt", "bound")}
