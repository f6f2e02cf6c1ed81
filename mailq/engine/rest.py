"""A relay at fault is left in peace for a while: longer each time, until it takes a message again."""

from datetime import timedelta

from mailq.clock import Clock


class RelayRest:
    """The rest of one relay, as one worker process knows it."""

    def __init__(self, *, first: timedelta, longest: timedelta, clock: Clock) -> None:
        self._first = first
        self._longest = longest
        self._clock = clock
        self._next = first
        self._ends_at_s: float | None = None

    @property
    def left(self) -> timedelta | None:
        """How much of the rest is left; None while the relay is well."""
        if self._ends_at_s is None or self._ends_at_s <= self._clock.monotonic():
            self._ends_at_s = None
            return None
        return timedelta(seconds=self._ends_at_s - self._clock.monotonic())

    def begin(self) -> timedelta:
        """The relay is at fault: let it rest; for how long."""
        rest = self._next
        self._ends_at_s = self._clock.monotonic() + rest.total_seconds()
        self._next = min(rest * 2, self._longest)
        return rest

    def end(self) -> None:
        """The relay took a message: it is well."""
        self._next = self._first
        self._ends_at_s = None
