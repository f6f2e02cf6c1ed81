"""All sides of a round: what was said, what producers were told, the books, the relay's list, and what the receiver heard."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property

from mailq.core.call import State
from mailq.core.conversation import State as ConversationState
from mailq.local.ledgers import MOST_SHOWN
from mailq.local.proof.calls.books import Books
from mailq.local.proof.calls.plots import Call, Conversation, Plot
from mailq.local.proof.calls.receiver import Told


@dataclass
class Findings:
    """What the comparison showed.

    Attributes:
        num_late: conversations that ended because a part was missing too long.
        num_faults: how often something was not as it must be.
        examples: some of them, in words.
    """

    num_calls: int = 0
    num_conversations: int = 0
    num_failed: int = 0
    num_late: int = 0
    num_answers: int = 0
    num_attempts: int = 0
    num_mails: int = 0
    num_faults: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, faults: Iterable[str]) -> None:
        """Note what must not be."""
        for fault in faults:
            self.num_faults += 1
            if len(self.examples) < MOST_SHOWN:
                self.examples.append(fault)


@dataclass(frozen=True)
class Round:
    """All sides of it.

    Attributes:
        ids: the request ids that producers were told, by the names of the calls.
        too_late: parts that were refused because their conversation was in error.
        accepted: how often the relay accepted a mail for each address.
        told: what the receiver heard.
        part_gap: after which a conversation without its next part is in error.
    """

    plot: Plot
    ids: Mapping[str, str]
    too_late: frozenset[str]
    books: Books
    accepted: Counter[str]
    told: Sequence[Told]
    part_gap: timedelta

    def is_late(self, conversation: Conversation) -> bool:
        """Whether a part of it was never taken."""
        return any(part.name not in self.ids for part in conversation.parts)

    def runs(self, conversation: Conversation) -> int:
        """How many of its parts must have run."""
        return 0 if self.is_late(conversation) else conversation.fails_at or len(conversation.parts)

    def outcome(self, conversation: Conversation) -> ConversationState:
        """How it must have ended."""
        bad = self.is_late(conversation) or conversation.fails_at is not None
        return ConversationState.ERROR if bad else ConversationState.FINISHED

    @cached_property
    def expected(self) -> Mapping[str, tuple[Call, State]]:
        """The state in which each call must have ended that was accepted."""
        found = {call.name: (call, call.becomes) for call in self.plot.calls}
        for conversation in self.plot.conversations:
            runs = self.runs(conversation)
            for code, part in enumerate(conversation.parts, 1):
                if part.name in self.ids:
                    found[part.name] = (part, part.becomes if code <= runs else State.NOT_RUN)
        return found
