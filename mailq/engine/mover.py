"""What the leader does when a producer's commit wakes it: as little as gets a message on its way."""

from collections.abc import Callable

from mailq.clock import Clock
from mailq.engine.dispatcher import Dispatcher
from mailq.engine.later import Later
from mailq.engine.streams import move
from mailq.store import maintenance, sealing
from mailq.store.database import Transactions
from mailq.store.inbox import Name

_MOST_STEPS = 100
_monotonic = Clock().monotonic


class Mover:
    """Moves what waits in the inbox, and rings for it. Used by one thread."""

    def __init__(self, database: Transactions, dispatcher: Dispatcher, *, monotonic: Callable[[], float] = _monotonic) -> None:
        self._database = database
        self._dispatcher = dispatcher
        self._told = Later(monotonic)

    def heed(self) -> bool:
        """Move what waits and ring; whether there is something else, for the upkeep to find: also more than is moved at once.

        What takes long is left to the upkeep: a password reset does not wait for a million addresses to be compared.
        """
        num, more = self._move()
        return self._loads_to_tell() or more or (not num and not self._is_held())

    def move(self) -> int:
        """Move what waits and ring; how many messages. What comes meanwhile is left to the next call, with all that comes with it."""
        return self._move()[0]

    def _move(self) -> tuple[int, bool]:
        num, busy = 0, frozenset[Name]()
        for _ in range(_MOST_STEPS):
            moved = move(self._database, without=busy)
            num += moved.num
            busy |= moved.busy
            for lane in sorted(moved.lanes):
                self._dispatcher.top_up(lane)
            if not moved.more:
                return num, False
        return num, True

    def _is_held(self) -> bool:
        # In maintenance it is nothing else, but messages that are not moved: they cost no tick each.
        with self._database.begin() as tx:
            return maintenance.standing(tx) is not None

    def _loads_to_tell(self) -> bool:
        # Told once: one that cannot be sealed is still there at the next wake-up, and the upkeep comes by at its own pace as well.
        with self._database.begin() as tx:
            loads = self._told.due(sealing.complete(tx))
        for mailing_id in loads:
            self._told.put_off(mailing_id)
        return bool(loads)
