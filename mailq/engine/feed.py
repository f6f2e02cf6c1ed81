"""Between the ledger and the sessions: begun deliveries go in at one side, outcomes come out at the other."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from mailq.core.outcome import Outcome, Rejected, Stage, Unknown
from mailq.engine.dots import Dots
from mailq.engine.ports import Letter
from mailq.store.deliveries import Work

FEW = 4
"""So few letters are carried one by a session: there is no pipeline to fill."""

# A member by name: looking one up in its enum costs a fifth of a microsecond.
_DOT = Stage.DOT

Make = Callable[[Work], Letter | Rejected]


class WindowFeed:
    """The `Feed` of one pass. Lives on the event loop's thread; no step of it blocks.

    A letter is made when a session takes it; one that cannot be made is an outcome at once.

    Args:
        may_send: whether the lease of this process still holds.
        dots: where final dots are noted; None for a wire whose letters nobody reclaims.

    Attributes:
        lease_ran_out: a letter was refused because the lease no longer holds.
    """

    def __init__(self, make: Make, may_send: Callable[[], bool] = lambda: True, dots: Dots | None = None) -> None:
        self._make = make
        self._may_send = may_send
        self._dots = dots
        if dots is not None:
            dots.failed = self.end
        self.lease_ran_out = False
        self._at_hand: deque[Work] = deque()
        self._taken: dict[int, Work] = {}
        self._results: list[tuple[Work, Outcome]] = []
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._news: asyncio.Future[None] | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._enough, self._linger_s = 1, 0.0
        self.ended = False

    @property
    def num_open(self) -> int:
        """Begun and not yet drained: what the window is counted by."""
        return len(self._at_hand) + len(self._taken) + len(self._results)

    @property
    def num_results(self) -> int:
        """Outcomes that wait to be written."""
        return len(self._results)

    def begin(self, works: Iterable[Work]) -> None:
        """Offer deliveries whose beginning the ledger has committed.

        Of many letters each session gets two: it sends the envelope of the second with the body of the first, in one packet.
        """
        self._at_hand.extend(works)
        number = len(self._at_hand)
        self._wake(number if number <= FEW else -(-number // 2))

    def end(self) -> None:
        """Give out nothing more; what was begun and not taken stays as it is in the books."""
        self.ended = True
        self._at_hand.clear()
        self._wake(len(self._waiting))
        self.nudge()

    def drain(self) -> list[tuple[Work, Outcome]]:
        """The outcomes since the last call."""
        results, self._results = self._results, []
        return results

    async def news(self, *, enough: int, linger_s: float, within_s: float) -> None:
        """Wait until a commit is worth its price: `enough` outcomes are back, or all that were begun, or the first one has waited
        `linger_s`, or the feed has ended; or until `nudge`, or `within_s` have passed.

        One wake-up and one transaction for many letters: one for each of them would cost more than sending it.
        """
        if self._is_news(enough):
            return
        loop = asyncio.get_running_loop()
        self._enough, self._linger_s, self._news = enough, linger_s, loop.create_future()
        timers = self._timers = [loop.call_later(linger_s if self._results else within_s, self.nudge)]
        try:
            await self._news
        finally:
            for timer in timers:
                timer.cancel()
            self._news = None

    def nudge(self) -> None:
        """Wake whoever waits for news."""
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _is_news(self, enough: int) -> bool:
        number = len(self._results)
        return number >= enough or (number > 0 and (self.ended or not (self._taken or self._at_hand)))

    def _note(self) -> None:
        if self._news is None:
            return
        if self._is_news(self._enough):
            self.nudge()
        elif len(self._results) == 1:
            self._timers.append(asyncio.get_running_loop().call_later(self._linger_s, self.nudge))

    async def take(self) -> Letter | None:
        """The next letter, waiting for one if need be; None when no more will come."""
        while True:
            letter = self.take_now()
            if letter is not None or self.ended:
                return letter
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            self._note()
            try:
                await waiting
            finally:
                if waiting in self._waiting:
                    self._waiting.remove(waiting)

    def take_now(self) -> Letter | None:
        """The next letter if one is at hand, else None."""
        while self._at_hand:
            work = self._at_hand.popleft()
            made = self._make(work)
            if isinstance(made, Letter):
                self._taken[work.seq] = work
                return made
            self._results.append((work, made))
            self._note()
        return None

    def may_send(self, letter: Letter) -> bool:
        """Whether a letter may still go on: not once the pass has ended, nor when this process may no longer send."""
        return not self.ended and self.lease_holds()

    def may_dot(self, letter: Letter) -> bool:
        """Whether its final dot may leave: it is noted first, and then the deadline is asked for, so that none leaves unnoted or late."""
        if self.ended:
            return False
        dots = self._dots
        if dots is None:
            return self.lease_holds()
        if not dots.starts(letter.seq):
            return False
        if self.lease_holds():
            return True
        dots.came_to_nothing(letter.seq)
        return False

    def lease_holds(self) -> bool:
        """Whether this process may send; the feed ends when it may not."""
        if self._may_send():
            return True
        self.lease_ran_out = True
        self.end()
        return False

    @property
    def journal_error(self) -> OSError | None:
        """Why nothing could be noted any more, if so: no dot has left since."""
        return None if self._dots is None else self._dots.error

    def report(self, letter: Letter, outcome: Outcome) -> None:
        """Take down what became of a letter."""
        if self._dots is not None and not isinstance(outcome, Unknown) and outcome.reply.stage is _DOT:
            self._dots.answered(letter.seq, outcome.reply.code)
        self._results.append((self._taken.pop(letter.seq), outcome))
        self._note()

    def give_back(self, letter: Letter) -> None:
        """Offer a letter to another session; after the end it stays open, to be begun in the next pass."""
        work = self._taken.pop(letter.seq)
        if self._dots is not None:
            self._dots.came_to_nothing(letter.seq)
        if not self.ended:
            self._at_hand.appendleft(work)
            self._wake(1)
        self._note()

    def _wake(self, number: int) -> None:
        while number > 0 and self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                number -= 1
