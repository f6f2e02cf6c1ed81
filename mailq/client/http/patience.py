"""How long, and how often, a request is sent again."""

import random
from dataclasses import dataclass
from typing import Any

from stamina import AsyncRetryingCaller, RetryingCaller
from stamina.instrumentation import RetryDetails, get_on_retry_hooks, set_on_retry_hooks
from stamina.typing import RetryHook

from mailq.client.http.answers import Again


@dataclass(frozen=True, slots=True)
class Patience:
    """When to give up.

    Attributes:
        tries: of one request.
        total_s: no try begins later than this after the first.
        first_s, longest_s: the waits between tries double from the one to the other, and vary.
    """

    tries: int = 8
    total_s: float = 60.0
    first_s: float = 0.2
    longest_s: float = 10.0

    def caller(self) -> RetryingCaller:
        """What sends again."""
        _hush()
        return RetryingCaller(**self._waits())

    def async_caller(self) -> AsyncRetryingCaller:
        """The same, awaited."""
        _hush()
        return AsyncRetryingCaller(**self._waits())

    def wait(self, error: Exception) -> bool | float:
        """Whether to try again; and after how many seconds, if the server has said it and we are patient enough."""
        if not isinstance(error, Again):
            return False
        if error.after_s is None:
            return True
        # Who was told to come again in a second has not been told alone.
        return error.after_s <= self.total_s and error.after_s + random.uniform(0, self.first_s)

    def _waits(self) -> dict[str, Any]:
        return {
            "attempts": self.tries,
            "timeout": self.total_s,
            "wait_initial": self.first_s,
            "wait_max": self.longest_s,
            "wait_jitter": self.first_s,
        }


def _hush() -> None:
    """Keep stamina's own hooks from telling of our tries, which stamina can neither name nor describe. What an app has set stays."""
    hooks = get_on_retry_hooks()
    if any(_is_its_own(hook) for hook in hooks):
        set_on_retry_hooks([_hushed(hook) if _is_its_own(hook) else hook for hook in hooks])


def _is_its_own(hook: RetryHook) -> bool:
    return str(getattr(hook, "__module__", "")).startswith("stamina.")


def _hushed(hook: RetryHook) -> RetryHook:
    def of_others(details: RetryDetails) -> Any:
        return None if isinstance(details.caused_by, Again) else hook(details)

    return of_others
