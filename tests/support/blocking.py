"""An asynchronous client or door, called as if it were the other one: so one test is about both."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any


class Blocking:
    """Calls what it holds on an event loop of its own, and waits."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._runner = asyncio.Runner()
        self._held = self._runner.run(_made(make))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._held, name)

        def call(*args: Any, **options: Any) -> Any:
            answer = method(*args, **options)
            if isinstance(answer, AsyncIterator):
                return self._each(answer)
            return self._runner.run(answer) if inspect.iscoroutine(answer) else answer

        return call

    def __repr__(self) -> str:
        return repr(self._held)

    def close(self) -> None:
        """Close what it holds, and the loop."""
        self._runner.run(self._held.close())
        self._runner.close()

    def _each(self, answers: AsyncIterator[Any]) -> Iterator[Any]:
        async def following() -> Any:
            return await anext(answers, _END)

        while (found := self._runner.run(following())) is not _END:
            yield found


_END = object()


async def _made(make: Callable[[], Any]) -> Any:
    return make()
