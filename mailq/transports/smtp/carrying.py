"""One call of `carry`: session loops that pull letters from a feed, and the judgement when a relay is at fault."""

import asyncio
from collections import Counter
from typing import Protocol

from mailq.core.outcome import Deferred, Fault, Outcome, Reply, Unknown
from mailq.engine.ports import Feed, Letter, RelayFault
from mailq.transports.smtp.failures import NoSession
from mailq.transports.smtp.options import SmtpOptions
from mailq.transports.smtp.outbox import Outbox
from mailq.transports.smtp.session import Session

FAULTS_IN_A_ROW = 5
"""So many faults without an answer about a message between them, and the relay should rest."""
FRESH_SESSIONS_A_LETTER_MAY_BREAK = 2
"""A letter in answer to which this many new sessions ended is put off, so that it does not hold up the others."""
FAULTS_OF_ONE_LOOP = 3
"""A loop whose sessions break so often while others work ends: the relay may allow fewer sessions than we want."""


class Sessions(Protocol):
    """The wire's warm sessions."""

    options: SmtpOptions
    outbox: Outbox | None

    @property
    def idle_sessions(self) -> int:
        """How many are open and unused."""

    async def borrow(self) -> Session | None:
        """One that is fit for use."""

    async def give(self, session: Session) -> None:
        """Take one back."""


class Carrying:
    """The desk of all sessions of one `carry`. A loop is started when the loops before it are all busy."""

    def __init__(self, wire: Sessions, feed: Feed) -> None:
        self._wire = wire
        self._feed = feed
        self._loops: set[asyncio.Task[None]] = set()
        self._waiting: set[asyncio.Task[None]] = set()
        self._most_loops = wire.options.sessions
        self._opening = 0
        self._busy = 0
        self._ever_open = False
        self._stopping = False
        self._faults_in_a_row = 0
        self._broken_by: Counter[int] = Counter()
        self._fault: RelayFault | None = None
        self._error: BaseException | None = None

    async def run(self) -> None:
        """Carry until the feed has no more.

        Raises:
            RelayFault: see `mailq.transports.smtp.wire.SmtpWire.carry`.
        """
        self._start_loop()
        try:
            while self._loops:
                await asyncio.wait(self._loops, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._end_loops()
        if self._error is not None:
            raise self._error
        if self._fault is not None:
            raise self._fault

    async def _end_loops(self) -> None:
        loops = list(self._loops)
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)

    def _start_loop(self) -> None:
        if len(self._loops) < self._most_loops and not self._stopping:
            task = asyncio.get_running_loop().create_task(self._loop())
            self._loops.add(task)
            task.add_done_callback(self._loop_ended)

    def _loop_ended(self, task: asyncio.Task[None]) -> None:
        self._loops.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and self._error is None:
            self._error = error
            self._stop()

    async def _loop(self) -> None:
        faults = 0
        while not self._stopping and (letter := await self._take()) is not None:
            self._start_loop()
            session = await self._session_for(letter)
            if session is None:
                if self._stopping or self._opening or self._others_work:
                    self._most_loops = max(1, self._most_loops - 1)
                    return
                continue
            faults = 0 if await self._carry(session, letter) else faults + 1
            if faults >= FAULTS_OF_ONE_LOOP and self._others_work:
                self._most_loops = max(1, self._most_loops - 1)
                return

    async def _take(self) -> Letter | None:
        task = asyncio.current_task()
        assert task is not None
        self._waiting.add(task)
        try:
            return await self._feed.take()
        finally:
            self._waiting.discard(task)

    async def _session_for(self, letter: Letter) -> Session | None:
        """A session for this letter; None if there is none, and the letter is given back."""
        try:
            session = await self._wire.borrow() or await self._open()
        except NoSession as fault:
            self._feed.give_back(letter)
            self._could_not_open(fault)
            return None
        except BaseException:
            self._feed.give_back(letter)
            raise
        self._ever_open = True
        return session

    async def _open(self) -> Session:
        self._opening += 1
        try:
            return await Session.open(self._wire.options, self._wire.outbox)
        finally:
            self._opening -= 1

    def _could_not_open(self, fault: NoSession) -> None:
        if self._opening or self._others_work:
            return
        self.count_fault(str(fault))
        if not self._ever_open:
            self._rest(str(fault))

    @property
    def _others_work(self) -> bool:
        return len(self._loops) > 1 and (self._busy > 0 or self._wire.idle_sessions > 0)

    async def _carry(self, session: Session, letter: Letter) -> bool:
        """Carry the letter and what goes behind it; whether the session was of use."""
        self._busy += 1
        try:
            await session.carry(letter, self)
        finally:
            self._busy -= 1
        of_use = session.of_use
        await self._wire.give(session)
        return of_use

    def _stop(self) -> None:
        """Take nothing more; what is under way is carried to its end."""
        self._stopping = True
        for task in self._waiting:
            task.cancel()

    def _rest(self, reason: str) -> None:
        if self._fault is None:
            self._fault = RelayFault(f"relay {self._wire.options.relay}: {reason}")
        self._stop()

    # The desk: what sessions ask and tell.

    def next_letter(self) -> Letter | None:
        """A letter that is at hand, to be pipelined."""
        return None if self._stopping else self._feed.take_now()

    def may_send(self, letter: Letter) -> bool:
        """Whether a letter may begin; if not, this call of `carry` takes nothing more."""
        return self._allowed(self._feed.may_send(letter))

    def may_dot(self, letter: Letter) -> bool:
        """Whether its final dot may leave; if not, this call of `carry` takes nothing more."""
        return self._allowed(self._feed.may_dot(letter))

    def _allowed(self, allowed: bool) -> bool:
        if not allowed:
            self._stop()
        return allowed

    def report(self, letter: Letter, outcome: Outcome) -> None:
        """Pass an outcome on. One that is not the relay's fault shows that the relay works."""
        match outcome:
            case Deferred(reply, Fault.RELAY):
                self.count_fault(str(reply))
            case Unknown():
                pass
            case _:
                self._faults_in_a_row = 0
        self._feed.report(letter, outcome)

    def give_back(self, letter: Letter) -> None:
        """Pass a letter back."""
        self._feed.give_back(letter)

    def broke_off(self, letter: Letter, reply: Reply, *, fresh: bool) -> None:
        """Give a letter back in answer to which a session ended, or put it off if it keeps ending new ones."""
        self._broken_by[letter.seq] += fresh
        if self._broken_by[letter.seq] >= FRESH_SESSIONS_A_LETTER_MAY_BREAK:
            self._feed.report(letter, Deferred(reply, Fault.RELAY))
        else:
            self._feed.give_back(letter)

    def count_fault(self, reason: str) -> None:
        """A fault of the relay; too many in a row, and it should rest."""
        self._faults_in_a_row += 1
        if self._faults_in_a_row >= FAULTS_IN_A_ROW:
            self._rest(reason)
