"""What a proof of calls is asked to do, and the kinds of its faults."""

import shlex
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """One kind of fault."""

    API_KILLED = "api-killed"
    API_TERMINATED = "api-terminated"
    SERVER_KILLED = "server-killed"
    WARDEN_KILLED = "warden-killed"
    SERVER_TERMINATED = "server-terminated"
    POSTGRES_KILLED = "postgres-killed"
    REDIS_KILLED = "redis-killed"


MEANINGS = {
    Kind.API_KILLED: "kill -9 of the API with all its processes",
    Kind.API_TERMINATED: "SIGTERM to the API while requests are under way",
    Kind.SERVER_KILLED: "kill -9 of a whole worker server, mostly of the one that runs the calls",
    Kind.WARDEN_KILLED: "kill -9 of a warden, mostly of the one that runs the calls",
    Kind.SERVER_TERMINATED: "SIGTERM to a worker server, and a new start",
    Kind.POSTGRES_KILLED: "immediate shutdown of PostgreSQL",
    Kind.REDIS_KILLED: "kill -9 of Redis",
}

# Who runs the calls is hit most, and what they are kept in.
WEIGHTED = (
    Kind.SERVER_KILLED,
    Kind.SERVER_KILLED,
    Kind.WARDEN_KILLED,
    Kind.WARDEN_KILLED,
    Kind.SERVER_TERMINATED,
    Kind.API_KILLED,
    Kind.API_KILLED,
    Kind.API_TERMINATED,
    Kind.POSTGRES_KILLED,
    Kind.POSTGRES_KILLED,
    Kind.REDIS_KILLED,
)


@dataclass(frozen=True)
class Order:
    """The proof as it was asked for.

    Attributes:
        num_producers: how many send calls at the same time.
        mean_gap_s: seconds between two faults, on the average.
        most_parts: of a conversation.
        part_gap_s: `calls.part_gap` of the stack: some conversations are left to run into it.
        per_round: faults between two comparisons.
    """

    num_faults: int = 40
    num_producers: int = 4
    seed: int = 1
    mean_gap_s: float = 0.7
    most_parts: int = 12
    part_gap_s: float = 12.0
    per_round: int = 20

    def command(self) -> str:
        """How to repeat it."""
        words = ["./run", "prove", "calls", "--faults", str(self.num_faults), "--seed", str(self.seed)]
        for option, value, usual in (
            ("--producers", self.num_producers, Order.num_producers),
            ("--gap", self.mean_gap_s, Order.mean_gap_s),
            ("--parts", self.most_parts, Order.most_parts),
            ("--part-gap", self.part_gap_s, Order.part_gap_s),
            ("--round", self.per_round, Order.per_round),
        ):
            if value != usual:
                words += [option, f"{value:g}"]
        return shlex.join(words)
