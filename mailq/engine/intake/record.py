"""One record of a source: a recipient, or the reason why it is none; and many of them at once, where they need no second look."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

MAX_FIELD = 1_000_000
"""Characters of one field or JSON string; more makes its record invalid."""

MAX_LINE = 4_000_000
"""Characters of one line; what is longer is never held in memory as a whole."""


class Record(NamedTuple):
    """What a source says about one recipient.

    Attributes:
        line: where it begins in the file, from 1.
        address: as given, not yet checked; empty if there is none.
        variables: the other columns; None when the record is at fault.
        fault: what is wrong with it, to stand behind "line 17: "; None when it can be read.
    """

    line: int
    address: str
    variables: dict[str, Any] | None
    fault: str | None = None


def at_fault(line: int, reason: str, address: str = "") -> Record:
    """A record that becomes no mail, and why."""
    return Record(line, address, None, reason)


@dataclass(frozen=True, slots=True)
class Rows:
    """Records of a table, none of them at fault: a value of their own for each would cost more than all that is done with them.

    Attributes:
        names: the columns.
        place: which of them is the address.
        lines: where each row begins in the file.
        fields: each row, as many fields as there are columns.
    """

    names: Sequence[str]
    place: int
    lines: Sequence[int]
    fields: list[list[str]]

    def __len__(self) -> int:
        """How many records."""
        return len(self.fields)

    def __getitem__(self, which: slice) -> "Rows":
        """Some of them."""
        return Rows(self.names, self.place, self.lines[which], self.fields[which])

    def __iter__(self) -> Iterator[Record]:
        """Each as a record of its own."""
        return map(self.record, range(len(self.fields)))

    def record(self, number: int) -> Record:
        """One of them, counted from 0."""
        row = self.fields[number]
        variables: dict[str, Any] = dict(zip(self.names, row, strict=True))
        return Record(self.lines[number], variables.pop(self.names[self.place]), variables)


Part = Rows | list[Record]
"""Records that follow each other in a source."""
_AT_A_TIME = 500


def in_lists(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Records that were read one by one, a few hundred at a time."""
    iterator = iter(records)
    while some := list(islice(iterator, _AT_A_TIME)):
        yield some


def behind(parts: Iterable[Part], skip: int) -> Iterator[Part]:
    """The parts behind the first `skip` records."""
    for part in parts:
        left = part[skip:]
        skip = max(0, skip - len(part))
        if left:
            yield left
