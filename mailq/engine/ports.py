"""What the engine asks of the outside: relay, doorbell and time reach it through these."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mailq.core.mailing import Lane
from mailq.core.outcome import Outcome
from mailq.errors import MailqError


@dataclass(frozen=True, slots=True)
class Letter:
    """One message ready for the wire.

    Attributes:
        seq: the delivery within its mailing.
        sender: envelope sender, without angle brackets.
        recipient: envelope recipient, without angle brackets.
        content: the message as RFC 5322 has it, CRLF line ends, ending in CRLF, not dot-stuffed.
        international: an address of it needs SMTPUTF8 (RFC 6531).
    """

    seq: int
    sender: str
    recipient: str
    content: bytes
    international: bool = False


class RelayFault(MailqError):
    """The relay itself is at fault (no connection, 421, authentication): rest it; no recipient pays for this."""


class Feed(Protocol):
    """Where a wire takes letters from and reports what became of them. Called on the event loop's thread only.

    Every letter taken is reported or given back exactly once.
    """

    async def take(self) -> Letter | None:
        """The next letter, waiting for one if need be; None when no more will come. Cancelling it loses no letter."""

    def take_now(self) -> Letter | None:
        """The next letter if one is at hand, else None: for pipelining it behind another."""

    def may_send(self, letter: Letter) -> bool:
        """Whether this process may still send: asked before MAIL and again right before the final dot.

        After a no, this letter is given back, nothing more is taken, and `carry` returns when what is under way has ended.
        """

    def report(self, letter: Letter, outcome: Outcome) -> None:
        """Say what became of a letter."""

    def give_back(self, letter: Letter) -> None:
        """Hand back a letter that was certainly not accepted, through no fault of its own: it costs no attempt."""


class Wire(Protocol):
    """A transport with warm sessions to one relay."""

    @property
    def relay(self) -> str:
        """The relay's name, as the books show it."""

    @property
    def sessions(self) -> int:
        """How many letters can be under way at once."""

    async def carry(self, feed: Feed) -> None:
        """Carry letters until the feed has no more, or says no to `may_send`. Sessions stay open for the next call.

        Cancelled, it drops what is under way: letters past their dot are reported in doubt, the others given back.

        Raises:
            RelayFault: the relay should rest; every letter taken has been reported or given back.
        """

    async def close(self) -> None:
        """End all sessions politely."""


@dataclass(frozen=True, slots=True)
class Ring:
    """One doorbell message: which batch, on which lane, and the words a watcher reads for it in Flower."""

    batch_id: int
    lane: Lane
    label: str


class Doorbell(Protocol):
    """Celery's producer side: best effort, because upkeep rings again."""

    def ring(self, rings: Sequence[Ring]) -> None:
        """Put one message per ring on its lane's queue.

        Raises:
            Unavailable: the broker does not answer; some rings may have been put.
        """

    def generation(self) -> str:
        """A name for this life of the broker's data: another one than last time means that it was flushed or replaced.

        Raises:
            Unavailable: the broker does not answer.
        """
