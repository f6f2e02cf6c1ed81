"""What a proof of the HTTP API is asked to do, and the kinds of its faults."""

import shlex
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """One kind of fault."""

    API_KILLED = "api-killed"
    API_TERMINATED = "api-terminated"
    POSTGRES_KILLED = "postgres-killed"
    REDIS_KILLED = "redis-killed"


MEANINGS = {
    Kind.API_KILLED: "kill -9 of the API with all its processes",
    Kind.API_TERMINATED: "SIGTERM to the API while requests are under way",
    Kind.POSTGRES_KILLED: "immediate shutdown of PostgreSQL",
    Kind.REDIS_KILLED: "kill -9 of Redis",
}

# The door itself is hit most.
WEIGHTED = (Kind.API_KILLED, Kind.API_KILLED, Kind.API_KILLED, Kind.API_TERMINATED, Kind.POSTGRES_KILLED, Kind.REDIS_KILLED)


@dataclass(frozen=True)
class Order:
    """The proof as it was asked for.

    Attributes:
        num_producers: how many hand over mailings and messages at the same time.
        mean_gap_s: seconds between two faults, on the average.
        most_recipients: of a mailing.
    """

    num_faults: int = 40
    num_producers: int = 6
    seed: int = 1
    mean_gap_s: float = 0.3
    most_recipients: int = 300

    def command(self) -> str:
        """How to repeat it."""
        words = ["./run", "prove", "api", "--faults", str(self.num_faults), "--seed", str(self.seed)]
        for option, value, usual in (
            ("--producers", self.num_producers, Order.num_producers),
            ("--gap", self.mean_gap_s, Order.mean_gap_s),
            ("--recipients", self.most_recipients, Order.most_recipients),
        ):
            if value != usual:
                words += [option, f"{value:g}"]
        return shlex.join(words)
