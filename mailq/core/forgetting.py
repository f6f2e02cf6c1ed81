"""What shows that a database has forgotten: it was restored from a backup, or a standby without the last commits took over."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Mark:
    """A renewal that a database acknowledged, as it was noted outside of it.

    Attributes:
        at: when it was noted, by the clock of the server's host.
    """

    beat: int
    at: datetime


Marks = Mapping[str, Mark]
"""The highest mark of each server, by its name."""


@dataclass(frozen=True, slots=True)
class Behind:
    """A server of which the database knows less than it has acknowledged.

    Attributes:
        beat: what the database knows; None if it does not even know the server.
    """

    server: str
    mark: Mark
    beat: int | None

    def __str__(self) -> str:
        known = "does not know that server" if self.beat is None else f"knows of {self.beat:,} alone"
        said = f"renewal {self.mark.beat:,} of server {self.server} was acknowledged at {self.mark.at:%Y-%m-%d %H:%M:%S} UTC"
        return f"{said}, and the database {known}"


def highest(kept: Iterable[Marks]) -> dict[str, Mark]:
    """Of each server the highest mark that any keeper has: one that was away or lost its data has lower ones, or none."""
    found: dict[str, Mark] = {}
    for marks in kept:
        for server, mark in marks.items():
            if server not in found or found[server].beat < mark.beat:
                found[server] = mark
    return found


def behind(marks: Marks, beats: Mapping[str, int]) -> list[Behind]:
    """The servers of which the database has forgotten something, by name. The marks must have been read before the beats.

    A server that the database does not know counts: nothing of ours removes the row of a server. Servers without a mark do not.
    """
    return [
        Behind(server, mark, beats.get(server))
        for server, mark in sorted(marks.items())
        if (beat := beats.get(server)) is None or beat < mark.beat
    ]


def granted_again(kept: int, granted: int, *, now: int) -> bool:
    """Whether a number that only rises was granted before: the database has forgotten the grants since.

    A higher one that is kept proves nothing by itself: who was granted this one may have slept, and others were granted more.

    Args:
        kept: the highest that is kept outside, read after `granted` was granted and before it is kept itself.
        now: where the database stands, read after `kept`.
    """
    return now < kept or (now == granted and kept >= granted)
