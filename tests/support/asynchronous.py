"""Async tests without a plugin."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

Arguments = ParamSpec("Arguments")

_WITHIN_SECONDS = 30.0


def in_event_loop(test: Callable[Arguments, Coroutine[Any, Any, None]]) -> Callable[Arguments, None]:
    """Run an async test in an event loop of its own, and fail it when it hangs."""

    @functools.wraps(test)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        async def within_the_deadline() -> None:
            async with asyncio.timeout(_WITHIN_SECONDS):
                await test(*args, **kwargs)

        asyncio.run(within_the_deadline())

    return run
