"""What a session asks of the carry it works for, and the replies it may be waiting for."""

from enum import Enum
from typing import Protocol

from mailq.core.outcome import Outcome, Reply, Stage
from mailq.engine.ports import Letter


class Desk(Protocol):
    """Where a session gets further letters and says what became of them."""

    def next_letter(self) -> Letter | None:
        """A letter that is at hand, to be pipelined."""

    def may_send(self, letter: Letter) -> bool:
        """Whether this letter may begin."""

    def may_dot(self, letter: Letter) -> bool:
        """Whether its final dot may leave."""

    def report(self, letter: Letter, outcome: Outcome) -> None:
        """What became of a letter."""

    def give_back(self, letter: Letter) -> None:
        """Certainly not accepted, through no fault of its own."""

    def broke_off(self, letter: Letter, reply: Reply, *, fresh: bool) -> None:
        """Certainly not accepted: the session ended in answer to this letter. `fresh`: it was the session's first."""

    def count_fault(self, reason: str) -> None:
        """The session ended through the relay's fault."""


class Awaited(Enum):
    """Replies that are due. Those about a letter carry its stage."""

    MAIL = Stage.MAIL
    RCPT = Stage.RCPT
    DATA = Stage.DATA
    DOT = Stage.DOT
    RESET = "reset"
    LONE_DOT = "lone dot"
