"""What is to be undone later: the end of each fault, in the order in which they come due."""

import heapq
import time
from collections.abc import Callable
from itertools import count


class Agenda:
    """Actions, each with its time."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._entries: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Do it when so much time has passed."""
        heapq.heappush(self._entries, (self._now() + seconds, next(self._numbers), action))

    def work(self) -> None:
        """Do what is due."""
        while self._entries and self._entries[0][0] <= self._now():
            heapq.heappop(self._entries)[2]()

    def work_off(self) -> None:
        """Do everything, due or not."""
        while self._entries:
            heapq.heappop(self._entries)[2]()

    def forget(self) -> None:
        """Do none of it."""
        self._entries.clear()
