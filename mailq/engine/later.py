"""What was done in vain, or has just been told: left alone for a while, so that it neither burns time nor fills the log."""

from collections.abc import Callable, Iterable

LATER_S = 60.0


class Later:
    """Mailings that are put off, each for a minute. For one thread."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._at_s: dict[int, float] = {}

    def put_off(self, mailing_id: int) -> None:
        """Leave a mailing alone from now on."""
        self._at_s[mailing_id] = self._monotonic() + LATER_S

    def due(self, mailing_ids: Iterable[int]) -> list[int]:
        """Those that are not put off, or have been for long enough."""
        now_s = self._monotonic()
        self._at_s = {each: at_s for each, at_s in self._at_s.items() if now_s < at_s}
        return [each for each in mailing_ids if each not in self._at_s]
