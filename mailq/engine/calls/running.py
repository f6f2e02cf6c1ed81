"""Calls run: by priority and in the order of receipt, the parts of a conversation strictly in sequence, each once with its results."""

import heapq
from collections import Counter, deque
from collections.abc import Callable, Mapping

from sqlalchemy import Connection

from mailq import telemetry
from mailq.clock import Clock
from mailq.engine.calls import ending
from mailq.engine.calls.at_once import Ended, run_now
from mailq.engine.calls.ending import Ran
from mailq.engine.calls.kind import Kind, Means
from mailq.engine.calls.kinds import KINDS
from mailq.engine.calls.performing import perform, refused_for_a_fault
from mailq.engine.calls.responses import Respond
from mailq.engine.calls.sequence import Sequences
from mailq.engine.calls.terms import Terms
from mailq.errors import Unavailable
from mailq.store import call_turns, calls, conversations, faults, notifications
from mailq.store.call_turns import Due
from mailq.store.conversations import Held
from mailq.store.database import Transactions

__all__ = ["Ended", "Runner", "run_now"]

log = telemetry.logger(__name__)

CALLS_AT_ONCE = 60
"""In one transaction. PostgreSQL keeps 64 savepoints of a transaction at hand; from there on everybody's statements cost more."""
LONGEST_S = 1.0
"""After which a transaction is committed: what it holds others may wait for."""
IN_THE_WAY_S = 0.5
"""How long a call waits for what other transactions hold; less than PostgreSQL's `deadlock_timeout`, so that we are who gives way."""
ASIDE_S = 2.0
"""How long to wait between two looks at calls that were put aside."""
SWEPT_AT_ONCE = 1000
ENDED_AT_ONCE = 10
"""Conversations: each may have thousands of parts that want an answer."""
PRUNE_EVERY_S = 60

_TRIES, _TRIES_LOST = 2, 5
"""Of a call alone: where the database would not do it, and where it went away over it."""

_monotonic = Clock().monotonic


class Runner:
    """What the leader does about calls. Used by one thread; others may do the same beside it.

    Args:
        means: with what the deeds of an organization are done.
        respond: makes the answers.
    """

    def __init__(
        self,
        database: Transactions,
        means: Callable[[int], Means],
        respond: Respond,
        *,
        terms: Terms,
        kinds: Mapping[str, Kind] = KINDS,
        monotonic: Callable[[], float] = _monotonic,
    ) -> None:
        self._database = database
        self._means = means
        self._respond = respond
        self._terms = terms
        self._kinds = kinds
        self._monotonic = monotonic
        self._begun: list[int] = []
        self._suspects: list[int] = []
        self._failures: Counter[int] = Counter()
        self._given_up: set[int] = set()
        self._aside: deque[int] = deque()
        self._look_aside_at_s = 0.0
        self._prune_at_s = 0.0

    def run_due(self) -> bool:
        """Run some calls that may run, in one transaction; whether there are more.

        When that fails they are run one by one from then on, so that one with which no transaction can be committed keeps no others
        from running: it is tried again, and then gets results that say so. One that needs what another transaction holds, such as the
        key of a message that an app has not committed, is put aside and tried again until it runs.

        Raises:
            Unavailable: the database is away; nothing was done.
            Exception: no call could be taken, so that none is to blame.
        """
        if not self._suspects:
            self._look_aside()
        if self._suspects:
            return self._run_a_suspect()
        self._begun = []
        try:
            with self._database.begin() as tx:
                call_turns.wait_at_most(tx, IN_THE_WAY_S)
                return self._run(tx, call_turns.take(tx, limit=CALLS_AT_ONCE, but=self._aside))
        except Exception as error:
            if self._put_aside(error):
                return True
            if not self._begun:
                raise
            self._suspects = self._begun
            self._note_failure(error)
            return True

    def sweep(self) -> bool:
        """Let calls run whose time has come, end conversations that lack parts for too long, delete what is old.

        Returns:
            Whether there may be something to run now, or to sweep.

        Raises:
            Unavailable: the database is away.
        """
        with self._database.begin() as tx:
            if not call_turns.at_work(tx):
                return False
            num = call_turns.start_scheduled(tx, limit=SWEPT_AT_ONCE)
        with self._database.begin() as tx:
            late = conversations.hold_late(tx, gap=self._terms.part_gap, limit=ENDED_AT_ONCE)
            ending.end_late(tx, late, terms=self._terms, respond=self._respond)
        return self._prune() or num > 0 or len(late) == ENDED_AT_ONCE

    def _run(self, tx: Connection, taken: list[Due], *, alone: bool = False, given_up: bool = False) -> bool:
        sequences = Sequences(_held(tx, taken))
        turns = [(each.priority, each.id, each) for each in taken if sequences.has(each)]
        heapq.heapify(turns)
        ran: list[Ran] = []
        until = self._monotonic() + LONGEST_S
        while turns and len(ran) < CALLS_AT_ONCE and self._monotonic() < until:
            due = heapq.heappop(turns)[-1]
            ran.append(self._perform(tx, due, sequences, given_up=given_up))
            following = sequences.next_after(tx, ran[-1])
            if following is not None and not alone and following.id not in self._aside:
                heapq.heappush(turns, (following.priority, following.id, following))
        ending.end_calls(tx, ran, self._respond)
        sequences.write(tx, self._respond)
        return bool(ran) and (bool(turns) or len(taken) == CALLS_AT_ONCE)

    def _perform(self, tx: Connection, due: Due, sequences: Sequences, *, given_up: bool) -> Ran:
        self._begun.append(due.id)
        objects = calls.objects(tx, due.id) if due.objects is None else due.objects
        if given_up:
            log.error("call.given_up", request_id=due.public_id)
            results = refused_for_a_fault(objects)
        else:
            means = self._means(due.organization_id)
            results = perform(tx, means, due.method, objects, request_id=due.public_id, kinds=self._kinds)
        return Ran(due, objects if due.responses else (), results, sequences.conversation(due))

    def _run_a_suspect(self) -> bool:
        """Run one of those that were begun when a transaction failed, alone."""
        suspect, self._begun = self._suspects[0], []
        given_up = suspect in self._given_up
        try:
            with self._database.begin() as tx:
                call_turns.wait_at_most(tx, IN_THE_WAY_S)
                due = call_turns.take_one(tx, suspect)
                if due is not None:
                    self._run(tx, [due], alone=True, given_up=given_up)
        except Exception as error:
            if self._put_aside(error):
                self._suspects.pop(0)
                return True
            self._failures[suspect] += 1
            if self._failures[suspect] >= (_TRIES_LOST if _went_away(error) else _TRIES):
                self._given_up.add(suspect)
            if given_up:
                # Not even that can be written: the others first, and whoever calls us takes a breath.
                self._suspects.pop(0)
                raise
            self._note_failure(error)
        else:
            self._suspects.pop(0)
            self._given_up.discard(suspect)
            del self._failures[suspect]
        return True

    def _look_aside(self) -> None:
        """Suspect one of those that were put aside, every now and then: however many there are, others run in between."""
        if self._aside and (now := self._monotonic()) >= self._look_aside_at_s:
            self._look_aside_at_s = now + ASIDE_S
            self._suspects = [self._aside.popleft()]

    def _put_aside(self, error: Exception) -> bool:
        """Leave the call that was begun last for later if another transaction was in its way; whether one was."""
        if not (self._begun and faults.was_locked(error)):
            return False
        if not self._aside:
            self._look_aside_at_s = self._monotonic() + ASIDE_S
        self._aside.append(self._begun[-1])
        log.info("call.put_aside", call=self._begun[-1], num=len(self._aside))
        return True

    def _note_failure(self, error: Exception) -> None:
        if _went_away(error):
            raise error
        if isinstance(error, Unavailable):
            log.warning("calls.not_run", num=len(self._begun), error=str(error))
        else:
            log.exception("calls.not_run", num=len(self._begun))

    def _prune(self) -> bool:
        """Delete some of what is old; whether there is more."""
        now = self._monotonic()
        if now < self._prune_at_s:
            return False
        with self._database.begin() as tx:
            num = call_turns.prune(tx, keep=self._terms.keep, limit=SWEPT_AT_ONCE)
            num_answers = notifications.prune(tx, self._terms.keep, limit=SWEPT_AT_ONCE)
        if num or num_answers:
            log.info("calls.pruned", num=num, num_answers=num_answers)
        more = SWEPT_AT_ONCE in {num, num_answers}
        if not more:
            self._prune_at_s = now + PRUNE_EVERY_S
        return more


def _went_away(error: Exception) -> bool:
    return isinstance(error, Unavailable) and not faults.was_refused(error)


def _held(tx: Connection, taken: list[Due]) -> Mapping[int, Held]:
    """The conversations that these calls are parts of, but for those that somebody else has locked."""
    rows = {each.conversation_id for each in taken if each.conversation_id is not None}
    return conversations.hold_running(tx, rows) if rows else {}
