"""What a proof is asked to do, and which kinds of faults this machine can do."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from mailq.core.mailing import DoubtPolicy
from mailq.local.proof import clocks, namespaces
from mailq.local.proof.kinds import CUTS, Kind, Size


@dataclass(frozen=True)
class Order:
    """The proof as it was asked for.

    Attributes:
        kinds: those to choose from; all that can be done here when empty.
        per_round: faults between two comparisons of the ledgers.
        mean_gap_s: seconds between two faults, on the average.
        num_recipients: of each mailing.
    """

    num_faults: int = 100
    num_servers: int = 3
    seed: int = 1
    kinds: Sequence[Kind] = ()
    policy: DoubtPolicy = DoubtPolicy.HOLD
    per_round: int = 20
    mean_gap_s: float = 1.7
    num_recipients: int = 600
    size: Size = field(default_factory=Size)

    def command(self) -> str:
        """How to repeat it."""
        words = ["./run", "prove", "--faults", str(self.num_faults), "--servers", str(self.num_servers), "--seed", str(self.seed)]
        if self.kinds:
            words += ["--kinds", ",".join(self.kinds)]
        if self.policy is not DoubtPolicy.HOLD:
            words += ["--policy", self.policy.value]
        for option, value, usual in (
            ("--round", self.per_round, Order.per_round),
            ("--gap", self.mean_gap_s, Order.mean_gap_s),
            ("--recipients", self.num_recipients, Order.num_recipients),
        ):
            if value != usual:
                words += [option, f"{value:g}"]
        return shlex.join(words)


def not_at_hand() -> dict[Kind, str]:
    """The kinds that cannot be done on this machine, and why."""
    found: dict[Kind, str] = {}
    if (why := namespaces.missing()) is not None:
        found |= dict.fromkeys(CUTS, why)
    if clocks.library() is None:
        found[Kind.CLOCK_WRONG] = "libfaketime was not found; install it (Debian: libfaketime), or name it with MAILQ_FAKETIME"
    return found
