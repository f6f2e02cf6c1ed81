"""A relay at fault is left in peace for a while: longer each time, until it takes a message again."""

from collections.abc import Callable
from datetime import datetime, timedelta


class RelayRest:
    """The rest of one relay, as one worker process knows it."""

    def __init__(self, *, first: timedelta, longest: timedelta, now: Callable[[], datetime]) -> None:
        self._first = first
        self._longest = longest
        self._now = now
        self._next = first
        self._until: datetime | None = None

    @property
    def until(self) -> datetime | None:
        """When the rest ends; None while the relay is well."""
        if self._until is not None and self._until <= self._now():
            self._until = None
        return self._until

    def begin(self) -> datetime:
        """The relay is at fault: let it rest; until when."""
        self._until = self._now() + self._next
        self._next = min(self._next * 2, self._longest)
        return self._until

    def end(self) -> None:
        """The relay took a message: it is well."""
        self._next = self._first
        self._until = None
