"""When to try again: exponential with jitter, limited by attempts and by age."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The waits of a deferred delivery. The defaults give up after three days (RFC 5321 section 4.5.4.1 asks for 4 to 5
    of an MTA; ours hands over to one, whose own queue does the rest)."""

    first: timedelta = timedelta(minutes=5)
    factor: float = 2.0
    longest: timedelta = timedelta(hours=4)
    max_attempts: int = 24
    max_age: timedelta = timedelta(hours=72)
    jitter: float = 0.2

    def wait(self, attempt: int, *, jitter: float = 0.0) -> timedelta:
        """How long to wait after the given attempt (from 1; 0 waits as after the first). `jitter` is in [-1, 1]."""
        exponent = min(max(attempt - 1, 0), 64)
        plain = min(self.first.total_seconds() * self.factor**exponent, self.longest.total_seconds())
        return timedelta(seconds=plain * (1 + self.jitter * jitter))

    def next_attempt_at(self, now: datetime, *, attempt: int, started_at: datetime, jitter: float = 0.0) -> datetime | None:
        """When to try again, or None when the attempts or the age are used up."""
        due_at = now + self.wait(attempt, jitter=jitter)
        if attempt >= self.max_attempts or due_at - started_at > self.max_age:
            return None
        return due_at
