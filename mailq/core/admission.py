"""May a server start? Two live servers of one id would rob each other of their batches."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mailq.core.server import Place, State


@dataclass(frozen=True, slots=True)
class Standing:
    """What a server's row says.

    Attributes:
        leased: whether its lease still runs, by the database's clock.
        beat: counts its renewals, over all incarnations.
    """

    server_id: int
    name: str
    incarnation: int
    state: State
    place: Place
    started_at: datetime
    renewed_at: datetime
    beat: int
    leased: bool

    @property
    def lives(self) -> bool:
        """Whether it must be taken for alive."""
        return self.leased and self.state in {State.ALIVE, State.DRAINING}


class Answer(StrEnum):
    """What a start may do."""

    START = "start"
    WAIT = "wait"
    """Its predecessor may be dead or just stopping; the end of its lease or its next renewal will tell."""
    REFUSE = "refuse"


def admit(
    row: Standing | None, *, first_beat: int | None, locked: bool, former_nonce: str | None, boot_id: str | None = None
) -> Answer:
    """Decide whether a server may start.

    Args:
        row: of its id; None if there was never one.
        first_beat: the row's beat when this start looked first.
        locked: whether this start holds the lock file of its home.
        former_nonce: what the lock file said when it was taken: if the row names it, its holder is dead.
        boot_id: this boot of this host. A lock proves nothing about another one: file systems that hosts share may not share it.
    """
    proven_dead = row is not None and former_nonce is not None and (row.place.lock, row.place.boot_id) == (former_nonce, boot_id)
    if locked and (row is None or proven_dead or not row.lives):
        return Answer.START
    renews = row is not None and first_beat is not None and row.beat != first_beat
    # One that drains renews too, until it has stopped.
    return Answer.REFUSE if renews and row is not None and row.state is State.ALIVE else Answer.WAIT


def refusal(row: Standing) -> str:
    """Who holds the id, where and since when."""
    place = row.place
    where = place.host + (f" ({', '.join(place.addresses)})" if place.addresses else "")
    return (
        f"server {row.name} is {row.state} on host {where} as process {place.pid} since {row.started_at:%Y-%m-%d %H:%M:%S %Z}; "
        "stop it, or give this one another MAILQ_SERVER_ID or MAILQ_SERVER_PORT"
    )
