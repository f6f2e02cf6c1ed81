"""A server's lease: how long it may be silent before its batches go to another, and when it must stop by itself."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """The spans of a lease. The database's clock judges it; the local deadline ends a margin earlier.

    Attributes:
        ttl: how long a renewal holds.
        heartbeat: how often it is renewed.
        margin: how much earlier than the database the server itself takes its lease for run out.
    """

    ttl: timedelta = timedelta(seconds=20)
    heartbeat: timedelta = timedelta(seconds=5)
    margin: timedelta = timedelta(seconds=2)

    def deadline_s(self, asked_at_s: float) -> float:
        """Until when a renewal lets this host send, on the clock that `asked_at_s` was read from before it was asked for.

        Counted from before, because the database may have granted it at any moment since.
        """
        return asked_at_s + (self.ttl - self.margin).total_seconds()
