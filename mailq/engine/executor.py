"""Works one batch at a time in a worker process: claim it, run its pass, let go of it, ring for the next."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from mailq import telemetry
from mailq.clock import Clock
from mailq.core.batch import Claim, Owner, State, Tally
from mailq.core.retry import RetryPolicy
from mailq.engine.custody import Custody, NoJournal
from mailq.engine.dispatcher import Dispatcher
from mailq.engine.dots import Dots
from mailq.engine.feed import WindowFeed
from mailq.engine.ledger import RECONNECT_EVERY_S, Ledger
from mailq.engine.letters import LetterPress
from mailq.engine.ports import Journal, Wire
from mailq.engine.rest import RelayRest
from mailq.engine.stopping import Stopping
from mailq.engine.window import Pass, PassPolicy, Reason
from mailq.errors import BooksForgotten, LeaseLost, MailqError, Unavailable
from mailq.store import batches, content, deliveries
from mailq.store.content import MailingFacts
from mailq.store.database import KeptConnection
from mailq.store.deliveries import Work

log = telemetry.logger(__name__)

RECONNECT_TIMES = 600
"""How often to ask for what we hold before it is left to the next start: five minutes."""

JOURNAL_REST = timedelta(seconds=30)
"""A batch whose dots could not be noted waits this long: others may have a disk that is well."""

Progress = Callable[[str], None]


def _log_forgotten(why: str) -> None:
    log.error("database.has_forgotten", why=why)


@dataclass(frozen=True, slots=True)
class WorkPolicy:
    """How a worker process works: plain values, and ways to ask.

    Attributes:
        work_for: a batch is handed back after this much work, so that no claim lasts for ever.
        owner: whom to claim as, now: another incarnation, once the lease has run out and a new one was granted.
        may_send: whether the lease of this incarnation holds.
        stopping: whether the process should come to an end.
        jitter: a number in [-1, 1] for every retry.
    """

    retry: RetryPolicy
    work_for: timedelta
    stopping: Stopping
    jitter: Callable[[], float]
    clock: Clock
    owner: Callable[[], Owner]
    may_send: Callable[[int], bool] = lambda _: True


@dataclass(frozen=True, slots=True)
class Memory:
    """What is kept outside the database, by which it is noticed that the database has forgotten.

    Attributes:
        claimed: told of every claim before its first delivery begins.
        forgotten: told once why nothing is sent any more.
        life: the name of this life of the books. With another one an operator has accepted that the database has forgotten.
    """

    claimed: Callable[[Claim], None] = lambda _: None
    forgotten: Callable[[str], None] = _log_forgotten
    life: Callable[[], str] = lambda: "the only one"


class Executor:
    """One worker process's hands. Its event loop, sessions and ledger thread live as long as the process.

    Args:
        books: the connection of the process, which is closed with it: its parts use it by turns.
    """

    def __init__(
        self,
        books: KeptConnection,
        wire: Wire,
        press: LetterPress,
        dispatcher: Dispatcher,
        rest: RelayRest,
        *,
        custody: Custody,
        policy: WorkPolicy,
        memory: Memory = Memory(),
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
        progress: Progress = lambda _: None,
    ) -> None:
        self._books = books
        self._wire = wire
        self._press = press
        self._dispatcher = dispatcher
        self._rest = rest
        self._custody = custody
        self._policy = policy
        self._memory = memory
        self._forgotten = False
        self._life: str | None = None
        self._progress = progress
        self._runner = asyncio.Runner(loop_factory=loop_factory)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")

    def work(self, batch_id: int) -> str:
        """Work one batch; a line for a watcher that says what became of it.

        A ring that is late, repeated or for a batch of somebody else's finds nothing to claim, and that is all.
        """
        if self._policy.stopping.asked:
            return "this worker is stopping"
        try:
            self._heed_a_new_life()
            if self._forgotten:
                return "the database has forgotten what was committed to it: nothing is sent until an operator has accepted that"
            return self._claim_and_work(batch_id)
        except Unavailable as error:
            log.warning("batch.unanswered", batch_id=batch_id, error=str(error))
            self._let_go_once_back()
            return f"the database did not answer: {error}"
        except NoJournal as error:
            log.error("journal.failed", batch_id=batch_id, error=str(error))
            return str(error)
        except BooksForgotten as error:
            return self._stop_for_good(error)
        except Exception:
            # Whatever it was, no further ring need come for what this process holds.
            self._let_go_once_back()
            raise

    def _heed_a_new_life(self) -> None:
        """What this process remembers of another life counts no more: an operator has accepted what the database has forgotten."""
        life = self._memory.life()
        if self._life not in {None, life}:
            log.info("executor.begins_anew")
            self._custody.begin_anew()
            self._forgotten = False
        self._life = life

    def _stop_for_good(self, error: BooksForgotten) -> str:
        """The journal is kept as it is: it may know more than the database."""
        self._forgotten = True
        try:
            self._memory.forgotten(str(error))
        except Unavailable as away:
            log.error("database.has_forgotten", why=str(error), not_noted=str(away))
        return str(error)

    def _let_go_once_back(self) -> None:
        """Reclaim what the books say this process holds: a claim or a release whose reply was lost may have taken place, and no
        further ring need come to remind us. A row that our own lost transaction still locks is asked for again."""
        for _ in range(RECONNECT_TIMES):
            try:
                if self._custody.settle():
                    return
            except Unavailable as error:
                log.warning("executor.waits_for_database", error=str(error))
            except BooksForgotten as error:
                self._stop_for_good(error)
                return
            if self._policy.stopping.asked:
                return
            time.sleep(RECONNECT_EVERY_S)

    def _claim_and_work(self, batch_id: int) -> str:
        owner = self._policy.owner()
        if not self._policy.may_send(owner.incarnation):
            self._dispatcher.take_back([batch_id])
            return "the lease of this server has run out: nothing is claimed until it is renewed"
        journal = self._custody.enter(owner)
        if journal is None:
            return "nothing claimed: what this process held before is locked"
        with self._books.begin() as tx:
            held = batches.claim(tx, batch_id, owner=owner, journal=journal.nonce, relay=self._wire.relay)
            if held is None:
                return "nothing to claim"
            facts = content.of_mailing(tx, held.mailing_id)
            works = deliveries.worklist(tx, held)
        self._custody.hold(held)
        log.info("batch.claimed", batch_id=batch_id, fence=held.fence, deliveries=len(works))
        try:
            return self._work(held, facts, works, journal)
        except LeaseLost as lost:
            log.warning("batch.lease_lost", batch_id=lost.batch_id, fence=lost.fence)
            self._custody.lost(held)
            self._custody.settle()
            return "the lease was lost"
        finally:
            self._dispatcher.top_up(facts.lane)

    def close(self) -> None:
        """End the sessions politely, the loop and the thread, and the journal if the books know all that it says."""
        self._runner.run(self._wire.close())
        self._runner.close()
        if not self._forgotten:
            try:
                self._custody.leave()
            except (MailqError, OSError) as error:
                log.warning("journal.left_behind", error=str(error))
        self._thread.shutdown()
        self._books.close()

    def _work(self, held: Claim, facts: MailingFacts, works: list[Work], journal: Journal) -> str:
        ledger = Ledger(self._books, held, relay=self._wire.relay, give_up=lambda: self._policy.stopping.overdue)
        try:
            self._memory.claimed(held)
        except BooksForgotten as error:
            said = self._stop_for_good(error)
            self._close(ledger, None)
            return said
        rest = self._rest.left
        if rest is not None:
            return self._described(facts, held, Tally(), self._close(ledger, rest), "the relay rests")
        run = self._pass(ledger, facts, works, journal)
        reason = self._runner.run(run.run())
        state = self._close(ledger, self._rest_after(run))
        if run.error is not None:
            raise run.error
        log.info("batch.released", batch_id=held.batch_id, fence=held.fence, state=state, reason=reason)
        return self._described(facts, held, run.total, state, _why(run, reason))

    def _close(self, ledger: Ledger, rest: timedelta | None) -> State:
        state = ledger.close(rest=rest)
        self._custody.closed(ledger.held)
        return state

    def _pass(self, ledger: Ledger, facts: MailingFacts, works: list[Work], journal: Journal) -> Pass:
        held, policy = ledger.held, self._policy
        may_send, incarnation = policy.may_send, held.owner.incarnation
        feed = WindowFeed(
            self._press.maker(facts, held.first_claimed_at),
            partial(may_send, incarnation),
            Dots(journal, held.batch_id, held.fence),
        )
        terms = PassPolicy(
            retry=policy.retry,
            started_at=facts.began(held.first_claimed_at),
            work_for=policy.work_for,
            stopping=policy.stopping,
            jitter=policy.jitter,
            clock=policy.clock,
        )
        progress = self._progress
        return Pass(
            ledger, self._wire, feed, works, terms, thread=self._thread, progress=lambda total: progress(_counters(total))
        )

    def _rest_after(self, run: Pass) -> timedelta | None:
        if run.journal_error is not None:
            log.error("journal.failed", error=str(run.journal_error))
            return JOURNAL_REST
        fault = run.fault or run.error
        if fault is not None:
            log.warning("relay.rests", relay=self._wire.relay, fault=str(fault))
            return self._rest.begin()
        if run.total.sent:
            self._rest.end()
        return None

    @staticmethod
    def _described(facts: MailingFacts, held: Claim, total: Tally, state: State, why: str) -> str:
        done = f"{facts.name!r} batch {held.number}/{facts.num_batches} {state}: {_counters(total)}"
        return f"{done} ({why})" if why else done


def _why(run: Pass, reason: Reason) -> str:
    if run.journal_error is not None:
        return f"the journal cannot be written: {run.journal_error}"
    if reason is Reason.LEASE_RAN_OUT:
        return "the lease ran out"
    return str(run.fault or "")


def _counters(total: Tally) -> str:
    return f"sent={total.sent} errors={total.errors} deferred={total.deferred} in_doubt={total.in_doubt}"
