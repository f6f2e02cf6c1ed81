"""What an answer holds open while it goes out: how many a key may have, and that each is let go however the answer ends."""

from collections import Counter
from collections.abc import AsyncGenerator, Mapping

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from mailq.web.api.problems import Problem

_AGAIN_AFTER_S = 5


class Places:
    """So many answers of a kind each key may have open, in this process. Used on one event loop."""

    def __init__(self, most: int, what: str) -> None:
        self._most = most
        self._what = what
        self._taken: Counter[str] = Counter()

    def take(self, key_id: str) -> None:
        """Take a place.

        Raises:
            Problem: the key has all of its places taken.
        """
        if self._taken[key_id] >= self._most:
            detail = f"this key has {self._most} {self._what} open already"
            raise Problem(429, detail, headers={"Retry-After": str(_AGAIN_AFTER_S)})
        self._taken[key_id] += 1

    def leave(self, key_id: str) -> None:
        """Give a place back."""
        self._taken[key_id] -= 1
        if not self._taken[key_id]:
            del self._taken[key_id]


class Held(StreamingResponse):
    """An answer that goes out piece by piece from a place of its own; both are closed where the client leaves, too."""

    def __init__(
        self, pieces: AsyncGenerator[bytes], places: Places, key_id: str, media_type: str, headers: Mapping[str, str]
    ) -> None:
        super().__init__(pieces, media_type=media_type, headers=headers)
        self._pieces = pieces
        self._places = places
        self._key_id = key_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._pieces.aclose()
            self._places.leave(self._key_id)
