"""The books of one claimed batch, as its owner writes them: window transactions, and the release at the end."""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta

from mailq import telemetry
from mailq.core.batch import Claim, State
from mailq.core.mailing import State as MailingState
from mailq.engine import aftermath
from mailq.errors import BooksForgotten, LeaseLost, Unavailable
from mailq.store import batches, deliveries, leases
from mailq.store.database import Transactions
from mailq.store.deliveries import Settled

log = telemetry.logger(__name__)

RECONNECT_EVERY_S = 0.5


class Ledger:
    """Writes about one claim. Every method is one transaction, blocks, and is called from one thread at a time."""

    def __init__(
        self,
        database: Transactions,
        held: Claim,
        *,
        relay: str,
        give_up: Callable[[], bool] = lambda: False,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.held = held
        self._database = database
        self._relay = relay
        self._ledger_no = held.ledger_no
        self._give_up = give_up
        self._pause = pause

    def commit(self, settled: Sequence[Settled], watermark: int) -> MailingState:
        """Settle what came back and move the watermark, in one transaction; how the mailing stands.

        A database that is away is waited for: what the relay answered is known here and nowhere else.

        Raises:
            LeaseLost: the batch was reclaimed; nothing was written.
            Unavailable: the database stayed away until the process had to stop.
            BooksForgotten: the database is behind what was committed before.
        """
        while True:
            try:
                return self._write(settled, watermark)
            except LeaseLost:
                self._require_memory()
                raise
            except Unavailable as error:
                log.warning("ledger.commit_unanswered", batch_id=self.held.batch_id, fence=self.held.fence, error=str(error))
                number, state = self._standing_once_back(error)
                if number > self._ledger_no:
                    self._ledger_no = number
                    return state

    def close(self, *, rest: timedelta | None = None) -> State:
        """Let go of the batch: what is left is counted again in SQL, and decides where it goes.

        Raises:
            LeaseLost: the batch was reclaimed.
            BooksDiffer: counters and deliveries disagree; the batch stays leased, and no reclaimer takes it: a person must look at it.
            BooksForgotten: the database is behind what was committed before.
        """
        try:
            return self._close(rest)
        except LeaseLost:
            self._require_memory()
            raise

    def _close(self, rest: timedelta | None) -> State:
        with self._database.begin() as tx:
            counted = batches.hold(tx, self.held)
            after = aftermath.of_pass(tx, self.held, rest=rest)
            aftermath.require_books(self.held, counted.pending, counted.deferred, after)
            batches.release(tx, self.held, after.state, due_at=after.due_at, skipped=after.skipped, deferred=after.deferred)
        aftermath.finish_mailing(self._database, self.held.mailing_id, after.state)
        return after.state

    def _write(self, settled: Sequence[Settled], watermark: int) -> MailingState:
        with self._database.begin() as tx:
            state = batches.advance(
                tx, self.held, ledger_no=self._ledger_no, watermark=watermark, tally=deliveries.tally(settled)
            )
            deliveries.settle(tx, self.held, settled, relay=self._relay)
        self._ledger_no += 1
        return state

    def _standing_once_back(self, first: Unavailable) -> tuple[int, MailingState]:
        while not self._give_up():
            try:
                self._require_memory()
                with self._database.begin() as tx:
                    return batches.standing(tx, self.held)
            except Unavailable:
                self._pause(RECONNECT_EVERY_S)
        raise first

    def _require_memory(self) -> None:
        """Look whether the books still know what this process has committed: fences and numbers of commits never go back."""
        known = (self.held.fence, self._ledger_no)
        with self._database.begin() as tx:
            found = leases.mark(tx, self.held.batch_id)
        if found is None or found < known:
            raise BooksForgotten(
                f"the database is behind what was committed to it: this process left batch {self.held.batch_id} at fence and commit"
                f" {known}, the database has it at {found}"
            )
