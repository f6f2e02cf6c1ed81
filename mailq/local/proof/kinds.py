"""The kinds of faults: what they are called, what is done, and how many deliveries each may leave in doubt."""

from dataclasses import dataclass
from enum import StrEnum

from mailq.core.outcome import Doubt


class Kind(StrEnum):
    """One kind of fault."""

    CHILD_KILLED = "child-killed"
    WARDEN_KILLED = "warden-killed"
    SERVER_KILLED = "server-killed"
    HOST_LOST = "host-lost"
    CHILD_STOPPED = "child-stopped"
    WARDEN_STOPPED = "warden-stopped"
    WORKERS_STOPPED = "workers-stopped"
    SERVER_STOPPED = "server-stopped"
    SIGTERM = "sigterm"
    REDIS_KILLED = "redis-killed"
    REDIS_FLUSHED = "redis-flushed"
    POSTGRES_KILLED = "postgres-killed"
    MESSAGE_REPEATED = "message-repeated"
    DROPPED_BEFORE_DOT = "dropped-before-dot"
    DROPPED_AFTER_DOT = "dropped-after-dot"
    CUT_OFF_FROM_POSTGRES = "cut-off-from-postgres"
    CUT_OFF_FROM_REDIS = "cut-off-from-redis"
    CUT_OFF_FROM_RELAY = "cut-off-from-relay"
    CLOCK_WRONG = "clock-wrong"


MEANINGS = {
    Kind.CHILD_KILLED: "kill -9 of a worker process",
    Kind.WARDEN_KILLED: "kill -9 of a warden",
    Kind.SERVER_KILLED: "kill -9 of a whole server, started again sooner or later",
    Kind.HOST_LOST: "kill -9 of a whole server, and its home with the journals is gone",
    Kind.CHILD_STOPPED: "SIGSTOP of a worker process for twice the lease",
    Kind.WARDEN_STOPPED: "SIGSTOP of a warden for twice the lease",
    Kind.WORKERS_STOPPED: "SIGSTOP of a server without its warden for twice the lease",
    Kind.SERVER_STOPPED: "SIGSTOP of a whole server for twice the lease",
    Kind.SIGTERM: "SIGTERM to a server's process group, and a new start",
    Kind.REDIS_KILLED: "kill -9 of Redis",
    Kind.REDIS_FLUSHED: "FLUSHALL",
    Kind.POSTGRES_KILLED: "immediate shutdown of PostgreSQL",
    Kind.MESSAGE_REPEATED: "the same Celery message several times",
    Kind.DROPPED_BEFORE_DOT: "the relay closes connections before the dot",
    Kind.DROPPED_AFTER_DOT: "the relay closes connections after the dot, without a reply",
    Kind.CUT_OFF_FROM_POSTGRES: "a server cannot reach PostgreSQL for a while",
    Kind.CUT_OFF_FROM_REDIS: "a server cannot reach Redis for a while",
    Kind.CUT_OFF_FROM_RELAY: "a server cannot reach the relay for a while",
    Kind.CLOCK_WRONG: "a server is stopped and comes back with a wrong clock",
}

CUTS = {
    Kind.CUT_OFF_FROM_POSTGRES: "postgres",
    Kind.CUT_OFF_FROM_REDIS: "redis",
    Kind.CUT_OFF_FROM_RELAY: "relay",
}

_ONE_PROCESS = frozenset({Kind.CHILD_KILLED, Kind.CHILD_STOPPED})
_JOURNAL_AT_HAND = frozenset({Kind.CHILD_KILLED, Kind.SERVER_KILLED})
_LOST_FROM_SIGHT = frozenset(
    {
        Kind.HOST_LOST,
        Kind.CHILD_STOPPED,
        Kind.WARDEN_KILLED,
        Kind.WARDEN_STOPPED,
        Kind.WORKERS_STOPPED,
        Kind.SERVER_STOPPED,
        *CUTS,
    }
)

LIKELY = {
    Doubt.WORKER_KILLED: _JOURNAL_AT_HAND,
    Doubt.HOST_LOST: _LOST_FROM_SIGHT - {Kind.CUT_OFF_FROM_RELAY, Kind.CUT_OFF_FROM_REDIS},
    Doubt.RELAY_CLOSED: frozenset({Kind.DROPPED_AFTER_DOT}),
    Doubt.TIMEOUT: frozenset({Kind.CUT_OFF_FROM_RELAY, Kind.CHILD_STOPPED, Kind.WORKERS_STOPPED, Kind.SERVER_STOPPED}),
}
"""Which kinds bring about a doubt of which reason, as a rule: doubt is noted seconds after its cause, and faults overlap."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large each server of the proof is."""

    processes: int = 2
    sessions: int = 4

    @property
    def window(self) -> int:
        """Deliveries that one process may have open."""
        return 2 * self.sessions


def bound(kind: Kind, size: Size, *, num_dropped: int = 0) -> int:
    """How many deliveries one fault may leave in doubt.

    Killed, and the journal at hand: what was in flight. Stopped, cut off, or gone with its journal: the window. A wrong clock, an
    orderly stop, or servers that come back with all they had: nothing.

    Args:
        num_dropped: dots that the relay leaves without a reply.
    """
    processes = 1 if kind in _ONE_PROCESS else size.processes
    if kind in _JOURNAL_AT_HAND:
        return size.sessions * processes
    if kind in _LOST_FROM_SIGHT:
        return size.window * processes
    return num_dropped if kind is Kind.DROPPED_AFTER_DOT else 0
