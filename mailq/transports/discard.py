"""A wire that accepts everything and keeps nothing: for tests and benchmarks."""

import asyncio

from mailq.core.outcome import Accepted, Reply, Stage
from mailq.engine.ports import Feed

_ACCEPTED = Accepted(Reply(Stage.DOT, 250, "2.0.0 discarded"))
_LETTERS_PER_TURN = 100


class DiscardWire:
    """A `mailq.engine.ports.Wire` to nowhere."""

    def __init__(self, *, sessions: int = 20) -> None:
        self._sessions = sessions

    @property
    def relay(self) -> str:
        """The relay's name in the books."""
        return "discard"

    @property
    def sessions(self) -> int:
        """As many as it was told to have; it needs none."""
        return self._sessions

    async def carry(self, feed: Feed) -> None:
        """Accept letters until the feed has no more, or refuses `may_send`."""
        carried = 0
        while (letter := await feed.take()) is not None:
            if not (feed.may_send(letter) and feed.may_dot(letter)):
                feed.give_back(letter)
                return
            feed.report(letter, _ACCEPTED)
            carried += 1
            if carried % _LETTERS_PER_TURN == 0:
                # `take` may never wait; others on the loop want their turn, and a cancellation its chance.
                await asyncio.sleep(0)

    async def close(self) -> None:
        """Nothing is open."""
