"""A batch: a contiguous run of a mailing's deliveries, worked under one claim."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """Where a batch stands; see `NEXT` for the steps between."""

    READY = "ready"
    LEASED = "leased"
    WAITING = "waiting"
    FINISHED = "finished"
    CANCELLED = "cancelled"


NEXT: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.READY: frozenset({State.LEASED, State.CANCELLED}),
        State.LEASED: frozenset({State.FINISHED, State.WAITING, State.READY, State.CANCELLED}),
        State.WAITING: frozenset({State.READY, State.CANCELLED}),
        State.FINISHED: frozenset({State.READY}),
        State.CANCELLED: frozenset(),
    }
)


@dataclass(frozen=True, slots=True)
class Owner:
    """A worker process: the server row it belongs to, which start of it, and a name that is unique among all processes."""

    server_id: int
    incarnation: int
    process: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work a batch for one pass. Every write about the batch repeats `owner` and `fence`."""

    batch_id: int
    mailing_id: int
    number: int
    of_batches: int
    owner: Owner
    fence: int
    ledger_no: int
    first_seq: int
    last_seq: int
    pass_started_at: datetime
    first_claimed_at: datetime
