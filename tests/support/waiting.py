"""The one place where tests wait: for a condition, never for a time."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

_POLL_SECONDS = 0.005
_LONGEST_POLL_SECONDS = 0.1
# To ask takes at most a fifth of a processor: what is waited for needs it more.
_REST_PER_QUESTION = 4

Value = TypeVar("Value")


def eventually(condition: Callable[[], Value | None], within: float = 10.0, *, every_s: float = _POLL_SECONDS) -> Value:
    """Ask until the answer is true, and return it. A failed assertion inside counts as "not yet".

    Args:
        every_s: how often to ask: seldom, where asking would disturb what is measured; and more seldom what takes long to answer.

    Raises:
        AssertionError: the deadline passed; carries the condition's last answer or failure.
    """
    deadline = time.monotonic() + within
    while True:
        asked_at = time.monotonic()
        try:
            answer = condition()
            failure = None
        except AssertionError as error:
            answer, failure = None, error
        if answer:
            return answer
        answered_at = time.monotonic()
        if answered_at > deadline:
            raise AssertionError(f"not within {within:g} s; the last answer was {answer!r}") from failure
        time.sleep(max(every_s, min(_REST_PER_QUESTION * (answered_at - asked_at), _LONGEST_POLL_SECONDS)))


async def happens(condition: Callable[[], object]) -> None:
    """Let the event loop run until it is so; the test's own deadline ends it otherwise."""
    while not condition():
        await asyncio.sleep(_POLL_SECONDS)


async def turn() -> None:
    """Let the event loop do what it has at hand, once."""
    await asyncio.sleep(0)
