"""The conversations whose parts a transaction runs: which part comes next, and when one has ended."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from mailq.core.conversation import State
from mailq.engine.calls import ending
from mailq.engine.calls.ending import Over, Ran
from mailq.engine.calls.responses import Respond
from mailq.store import call_turns, conversations
from mailq.store.call_turns import Due
from mailq.store.conversations import Ending, Held

_PARTS_AHEAD = 60


@dataclass(slots=True)
class _Course:
    """One conversation in the course of a transaction.

    Attributes:
        ahead: its next parts, read many at a time.
    """

    held: Held
    num_run: int
    over: Over | None = None
    ahead: deque[Due] = field(default_factory=deque)


class Sequences:
    """Conversations that a transaction has locked. Used by that transaction alone."""

    def __init__(self, held: Mapping[int, Held]) -> None:
        self._courses = {row: _Course(each, each.num_run) for row, each in held.items()}

    def has(self, due: Due) -> bool:
        """Whether a call may be run here: its conversation, if it is a part of one, is locked."""
        return due.conversation_id is None or due.conversation_id in self._courses

    def conversation(self, due: Due) -> Held | None:
        """The conversation that a call is a part of."""
        return None if due.conversation_id is None else self._courses[due.conversation_id].held

    def next_after(self, tx: Connection, ran: Ran) -> Due | None:
        """Note that a call has run; the part that comes next, if it may run now."""
        if ran.conversation is None:
            return None
        course = self._courses[ran.conversation.id]
        course.num_run += 1
        if ran.error is not None:
            course.over = _in_error(ran, course)
        elif course.num_run == course.held.calls_in_conversation:
            course.over = Over(course.held, course.num_run)
        else:
            return _next(tx, course)
        return None

    def write(self, tx: Connection, respond: Respond) -> None:
        """Write how far they have come, let the parts that come next run later, and end what is over."""
        moved = [course for course in self._courses.values() if course.num_run > course.held.num_run]
        going_on = [course for course in moved if course.over is None]
        if going_on:
            conversations.note(tx, [Ending(course.held.id, course.num_run, State.RUNNING) for course in going_on])
            call_turns.let_run(tx, {course.held.id: course.num_run + 1 for course in going_on})
        ending.end_conversations(tx, [course.over for course in moved if course.over is not None], respond)


def _in_error(ran: Ran, course: _Course) -> Over:
    code = ran.due.sequence_code
    return Over(
        course.held,
        course.num_run,
        sequence_code=code,
        error=f"part {code:,} is in error: {ran.error}",
        so=f"part {code:,} of its conversation was in error",
    )


def _next(tx: Connection, course: _Course) -> Due | None:
    if not course.ahead:
        course.ahead.extend(call_turns.following(tx, course.held.id, first=course.num_run + 1, limit=_PARTS_AHEAD))
    due = course.ahead.popleft()
    if due.sequence_code != course.num_run + 1:
        raise RuntimeError(f"conversation {course.held.id} has lost part {course.num_run + 1}")
    return due if due.may_run else None
