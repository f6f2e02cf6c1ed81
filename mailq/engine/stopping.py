"""A process that has been asked to end, and how long it may still wait for what is under way."""

from collections.abc import Callable
from datetime import timedelta

from mailq.clock import Clock


class Stopping:
    """Asked often and cheaply. The grace begins when somebody first sees that the process should end."""

    def __init__(self, asked: Callable[[], bool], *, grace: timedelta, clock: Clock) -> None:
        self._asked = asked
        self._grace_s = grace.total_seconds()
        self._clock = clock
        self._overdue_at: float | None = None

    @property
    def asked(self) -> bool:
        """Whether the process should begin nothing new."""
        if self._overdue_at is None and self._asked():
            self._overdue_at = self._clock.monotonic() + self._grace_s
        return self._overdue_at is not None

    @property
    def overdue(self) -> bool:
        """Whether it should not even wait any longer for replies or for the database."""
        return self.asked and self._overdue_at is not None and self._clock.monotonic() >= self._overdue_at
