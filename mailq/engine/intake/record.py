"""One record of a source: a recipient, or the reason why it is none."""

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
