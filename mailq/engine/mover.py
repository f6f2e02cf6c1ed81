"""What the leader does when a producer's commit wakes it: as little as gets a message on its way."""

from mailq.engine.dispatcher import Dispatcher
from mailq.engine.streams import move
from mailq.store import sealing
from mailq.store.database import Transactions
from mailq.store.inbox import Name

_MOST_STEPS = 100


class Mover:
    """Moves what waits in the inbox, and rings for it. Used by one thread."""

    def __init__(self, database: Transactions, dispatcher: Dispatcher) -> None:
        self._database = database
        self._dispatcher = dispatcher

    def heed(self) -> bool:
        """Move what waits and ring; whether there is something else, for the upkeep to find.

        What takes long is left to the upkeep: a password reset does not wait for a million addresses to be compared.
        """
        num = self.move()
        with self._database.begin() as tx:
            return not num or bool(sealing.complete(tx))

    def move(self) -> int:
        """Move what waits and ring; how many messages. What comes meanwhile is left to the next call, with all that comes with it."""
        num, busy = 0, frozenset[Name]()
        for _ in range(_MOST_STEPS):
            moved = move(self._database, without=busy)
            num += moved.num
            busy |= moved.busy
            for lane in sorted(moved.lanes):
                self._dispatcher.top_up(lane)
            if not moved.more:
                break
        return num
