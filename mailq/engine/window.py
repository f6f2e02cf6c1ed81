"""One pass over a batch: letters leave, outcomes come back, and each window transaction settles and begins at once."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor as ThreadExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from mailq import telemetry
from mailq.clock import Clock
from mailq.core.batch import Tally
from mailq.core.delivery import settle
from mailq.core.mailing import State as MailingState
from mailq.core.outcome import Outcome
from mailq.core.retry import RetryPolicy
from mailq.engine.feed import WindowFeed
from mailq.engine.ledger import Ledger
from mailq.engine.ports import RelayFault, Wire
from mailq.engine.stopping import Stopping
from mailq.store.deliveries import Settled, Work, tally

log = telemetry.logger(__name__)

LINGER_S = 0.003
"""An outcome waits for company this long before it is written: a transaction for each would cost more than the sending."""
BEAT_S = 0.5
"""Without news from the wire the books are asked this often: so a pause or cancel is learned of in time."""


class Reason(StrEnum):
    """Why a pass ended."""

    WORKED_THROUGH = "worked_through"
    STOPPING = "stopping"
    TIME_IS_UP = "time_is_up"
    MAILING_STOPPED = "mailing_stopped"
    RELAY_FAULT = "relay_fault"
    LEASE_RAN_OUT = "lease_ran_out"
    JOURNAL_FAILED = "journal_failed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PassPolicy:
    """What the engine is told about a pass: plain values and ways to ask."""

    retry: RetryPolicy
    started_at: datetime
    work_for: timedelta
    stopping: Stopping
    jitter: Callable[[], float]
    clock: Clock


class Pass:
    """Runs one claim's pass. Deliveries begin in seq order, so moving the watermark is the claim of a delivery."""

    def __init__(
        self,
        ledger: Ledger,
        wire: Wire,
        feed: WindowFeed,
        works: Sequence[Work],
        policy: PassPolicy,
        *,
        thread: ThreadExecutor,
        progress: Callable[[Tally], None] = lambda _: None,
    ) -> None:
        self._ledger = ledger
        self._wire = wire
        self._feed = feed
        self._left = deque(works)
        self._policy = policy
        self._thread = thread
        self._progress = progress
        self._watermark = ledger.held.first_seq - 1
        self._window = 2 * wire.sessions
        self._reason: Reason | None = None
        self._began_at = policy.clock.monotonic()
        self._ends_at = self._began_at + policy.work_for.total_seconds()
        self._asked_at = 0.0
        self.total = Tally()
        self.fault: RelayFault | None = None
        self.error: Exception | None = None

    @property
    def journal_error(self) -> OSError | None:
        """Why nothing could be noted any more, if so."""
        return self._feed.journal_error

    async def run(self) -> Reason:
        """Work until nothing is left or there is a reason to stop; everything that came back is in the books then.

        Raises:
            LeaseLost: the batch was reclaimed; the sessions were dropped before their dots, and nothing more was written.
            Unavailable: the database stayed away until the process had to stop.
            BooksForgotten: the database is behind what this pass has committed.
        """
        carrying = asyncio.create_task(self._wire.carry(self._feed))
        carrying.add_done_callback(lambda _: self._feed.end())
        try:
            while not carrying.done() or self._feed.num_results:
                await self._turn()
                if self._is_over():
                    self._feed.end()
                    self._limit(carrying)
                if not carrying.done():
                    await self._feed.news(enough=self._window * 3 // 4, linger_s=LINGER_S, within_s=BEAT_S)
            await self._carried(carrying)
        finally:
            carrying.cancel()
            await asyncio.gather(carrying, return_exceptions=True)
        return self._reason or Reason.WORKED_THROUGH

    async def _turn(self) -> None:
        came_back = self._feed.drain()
        begin = self._next()
        now = self._policy.clock.monotonic()
        if not came_back and not begin and now < self._asked_at + BEAT_S:
            return
        now_there = self._database_time()
        settled = [self._decide(work, outcome, now_there) for work, outcome in came_back]
        watermark = begin[-1].seq if begin else self._watermark
        loop = asyncio.get_running_loop()
        state = await loop.run_in_executor(self._thread, self._ledger.commit, settled, watermark)
        self._asked_at = self._policy.clock.monotonic()
        self._watermark = watermark
        self.total += tally(settled)
        self._progress(self.total)
        if state is not MailingState.RUNNING:
            self._stop(Reason.MAILING_STOPPED)
        if not self._feed.ended:
            self._feed.begin(begin)

    def _next(self) -> list[Work]:
        if self._feed.ended or self._must_stop():
            return []
        room = min(self._window - self._feed.num_open, len(self._left))
        return [self._left.popleft() for _ in range(room)]

    def _must_stop(self) -> bool:
        if self._feed.journal_error is not None:
            self._stop(Reason.JOURNAL_FAILED)
        elif self._feed.lease_ran_out or not self._feed.lease_holds():
            self._stop(Reason.LEASE_RAN_OUT)
        elif self._policy.stopping.asked:
            self._stop(Reason.STOPPING)
        elif self._policy.clock.monotonic() >= self._ends_at:
            self._stop(Reason.TIME_IS_UP)
        return self._reason is not None

    def _stop(self, reason: Reason) -> None:
        if self._reason is None:
            self._reason = reason
            self._feed.end()

    def _is_over(self) -> bool:
        return self._must_stop() or (not self._left and not self._feed.num_open)

    def _limit(self, carrying: asyncio.Task[None]) -> None:
        # Only a process that must stop cuts short the wait for replies: what it drops then is in doubt.
        if self._policy.stopping.overdue:
            carrying.cancel()

    async def _carried(self, carrying: asyncio.Task[None]) -> None:
        try:
            await carrying
        except RelayFault as fault:
            self.fault = fault
            self._reason = Reason.RELAY_FAULT
        except Exception as error:  # noqa: BLE001 - the batch is let go of before anybody hears of it
            self.error = error
            self._reason = Reason.FAILED
        except asyncio.CancelledError:
            log.warning("pass.replies_abandoned", batch_id=self._ledger.held.batch_id)

    def _decide(self, work: Work, outcome: Outcome, now: datetime) -> Settled:
        policy = self._policy
        change = settle(
            outcome,
            attempt=work.attempts + 1,
            started_at=policy.started_at,
            now=now,
            retry=policy.retry,
            jitter=policy.jitter(),
        )
        return Settled(work.seq, work.state, change)

    def _database_time(self) -> datetime:
        # When to try again is judged by the database's clock, so it is reckoned by it too: ours may be a day off.
        return self._ledger.held.pass_started_at + timedelta(seconds=self._policy.clock.monotonic() - self._began_at)
