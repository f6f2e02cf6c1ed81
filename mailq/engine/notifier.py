"""Sends the answers that are due, many at once: a receiver that is slow, or away, keeps nobody else waiting."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from mailq import telemetry
from mailq.clock import Clock
from mailq.core import notification
from mailq.core.notification import Answer, State
from mailq.engine.calls import webhook_secrets
from mailq.engine.ports import Post
from mailq.store import notifications
from mailq.store.database import Transactions
from mailq.store.notifications import Lent, Room, Settled

log = telemetry.logger(__name__)

AT_ONCE = 20
AT_ONCE_TO_SILENT = 10
"""To hosts whose last attempt nobody answered, or not soon; they have room of their own."""
SOON_S = 2.0
EACH_HOST = 2
SLICE_S = 1.0
"""How long `send_due` goes on while there is something under way."""
BEYOND_THE_TIMEOUT = timedelta(seconds=30)
"""How much longer than an attempt an answer is lent: for the books, before and after it."""

_LOOK_AGAIN_S = 0.2
_MOST_SILENT = 10_000

_monotonic = Clock().monotonic


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One that has ended.

    Attributes:
        took_s: how long it kept its place.
    """

    lent: Lent
    answer: Answer
    took_s: float


class Notifier:
    """For a thread of its own: what is slow stays under way from one call of `send_due` to the next, and others are sent meanwhile.

    Args:
        post: made when it is used first, on the event loop that it is for.
        timeout: of one attempt.
        spread: between -1 and 1, see `notification.wait_after`.
    """

    def __init__(
        self,
        database: Transactions,
        post: Callable[[], Post],
        *,
        timeout: timedelta,
        spread: Callable[[], float] = lambda: random.uniform(-1, 1),
        slice_s: float = SLICE_S,
        monotonic: Callable[[], float] = _monotonic,
    ) -> None:
        self._database = database
        self._make_post = post
        self._post: Post | None = None
        self._lease = timeout + BEYOND_THE_TIMEOUT
        self._spread = spread
        self._slice_s = slice_s
        self._monotonic = monotonic
        self._runner = asyncio.Runner()
        self._is_closed = False
        self._under_way: dict[asyncio.Task[_Attempt], Lent] = {}
        self._unsettled: list[_Attempt] = []
        self._silent: set[str] = set()

    def send_due(self) -> bool:
        """Send what is due, for a second or so; whether there is more to do: ask again at once, or `close`.

        Raises:
            Unavailable: the database does not answer. What is under way stays so, and is settled by the next call.
        """
        return self._runner.run(self._slice())

    def close(self, *, grace: timedelta = timedelta(seconds=2)) -> None:
        """Wait a little for what is under way, break off the rest, which is then due again, and let go of everything; once.

        Raises:
            Unavailable: the database does not answer; what was lent is due again when its lease ends.
        """
        if self._is_closed:
            return
        self._is_closed = True
        try:
            self._runner.run(self._end(grace))
        finally:
            self._runner.close()

    async def _slice(self) -> bool:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._slice_s
        while True:
            self._gather()
            for lent, secrets in await asyncio.to_thread(self._books):
                self._under_way[asyncio.create_task(self._attempt(lent, secrets))] = lent
            left_s = until - loop.time()
            if left_s <= 0 or not self._under_way:
                return bool(self._under_way)
            await asyncio.wait(self._under_way, timeout=min(left_s, _LOOK_AGAIN_S), return_when=asyncio.FIRST_COMPLETED)

    async def _attempt(self, lent: Lent, secrets: Sequence[str]) -> _Attempt:
        begun_at_s = self._monotonic()
        try:
            if self._post is None:
                self._post = self._make_post()
            answer = await self._post.post(lent.address, webhook_id=lent.public_id, payload=lent.payload, secrets=secrets)
        except Exception:
            log.exception("notification.not_tried", notification=lent.public_id)
            answer = Answer(None, "a fault of ours; the log of the worker has it")
        return _Attempt(lent, answer, self._monotonic() - begun_at_s)

    def _gather(self) -> None:
        """Take what has ended."""
        ended = [task.result() for task in self._under_way if task.done()]
        self._under_way = {task: lent for task, lent in self._under_way.items() if not task.done()}
        self._unsettled += ended
        for each in ended:
            if not each.answer.is_silence and each.took_s <= SOON_S:
                self._silent.discard(each.lent.host)
            elif len(self._silent) < _MOST_SILENT:
                self._silent.add(each.lent.host)

    def _books(self) -> list[tuple[Lent, Sequence[str]]]:
        """Settle what has ended, and take what is due: one transaction."""
        settled = [Settled(each.lent, self._settle(each)) for each in self._unsettled]
        with self._database.begin() as tx:
            notifications.settle(tx, settled)
            lent = [each for room in self._rooms() for each in notifications.lend(tx, room, lease=self._lease)]
            secrets = webhook_secrets.of_all(tx, {each.organization_id for each in lent}) if lent else {}
        self._unsettled.clear()
        for each in settled:
            self._tell(each)
        return [(each, secrets[each.organization_id]) for each in lent]

    def _rooms(self) -> list[Room]:
        under_way = Counter(each.host for each in self._under_way.values())
        to_silent = sum(number for host, number in under_way.items() if host in self._silent)
        apart = sorted(self._silent)
        rooms = [Room(AT_ONCE - under_way.total() + to_silent, EACH_HOST, under_way, apart, wanted=False)]
        if apart:
            rooms.append(Room(AT_ONCE_TO_SILENT - to_silent, EACH_HOST, under_way, apart, wanted=True))
        return [room for room in rooms if room.most > 0]

    def _settle(self, ended: _Attempt) -> notification.Change:
        return notification.settle(ended.answer, attempts=ended.lent.attempts + 1, spread=self._spread())

    @staticmethod
    def _tell(settled: Settled) -> None:
        lent, change = settled
        event = {State.SENT: "notification.sent", State.ERROR: "notification.given_up"}.get(change.state, "notification.deferred")
        log.info(event, notification=lent.public_id, attempts=lent.attempts + 1)

    async def _end(self, grace: timedelta) -> None:
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=grace.total_seconds())
        self._gather()
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        broken_off = list(self._under_way.values())
        if self._post is not None:
            await self._post.close()
        if self._unsettled or broken_off:
            with self._database.begin() as tx:
                notifications.settle(tx, [Settled(each.lent, self._settle(each)) for each in self._unsettled])
                notifications.give_back(tx, broken_off)
