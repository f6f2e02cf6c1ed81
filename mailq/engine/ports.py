"""What the engine asks of the outside: relay, doorbell and time reach it through these."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from mailq.core import forgetting
from mailq.core.journal import Record
from mailq.core.mailing import Lane
from mailq.core.notification import Answer
from mailq.core.outcome import Outcome
from mailq.errors import MailqError


class Letter(NamedTuple):
    """One message ready for the wire.

    Attributes:
        seq: the delivery within its mailing.
        sender: envelope sender, without angle brackets.
        recipient: envelope recipient, without angle brackets.
        content: the message as RFC 5322 has it, CRLF line ends, ending in CRLF, not dot-stuffed.
        international: an address of it needs SMTPUTF8 (RFC 6531).
        envelope_id: what notices about it are to name it by (RFC 3461), ASCII.
    """

    seq: int
    sender: str
    recipient: str
    content: bytes
    international: bool = False
    envelope_id: str | None = None


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
        """Whether this letter may begin: asked before MAIL.

        After a no, this letter is given back, nothing more is taken, and `carry` returns when what is under way has ended.
        """

    def may_dot(self, letter: Letter) -> bool:
        """Whether the final dot may leave: asked right before it; a yes has been noted in the journal.

        After a no, as after one of `may_send`; the connection is dropped before the dot.
        """

    def report(self, letter: Letter, outcome: Outcome) -> None:
        """Say what became of a letter."""

    def give_back(self, letter: Letter) -> None:
        """Hand back a letter that was certainly not accepted, through no fault of its own: it costs no attempt."""


class Journal(Protocol):
    """What a worker process notes about its dots, in a file that outlives it. `attempt` counts the dots of a delivery in a pass.

    Every method may raise OSError: the disk is full or gone, and no dot may leave then.
    """

    @property
    def nonce(self) -> str:
        """Its name; a claim names it, so that a reclaimer finds it."""

    def started(self, batch_id: int, fence: int, seq: int, attempt: int) -> None:
        """Note that a final dot is about to leave."""

    def abandoned(self, batch_id: int, fence: int, seq: int, attempt: int) -> None:
        """Note that this try came to nothing for certain: the dot did not leave, or the relay ended the session in answer to it."""

    def replied(self, batch_id: int, fence: int, seq: int, attempt: int, code: int) -> None:
        """Note the relay's reply to it."""

    def records(self) -> Sequence[Record]:
        """What is noted, for the process's own use."""

    def discard(self) -> None:
        """Forget everything: the commit that settles it has been acknowledged."""

    def close(self, *, remove: bool) -> None:
        """Let go of it; remove it when the ledger knows everything it says."""


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """What can be learned of a worker process from the journal that a claim of it names.

    Attributes:
        lives: it holds the lock of its journal.
        records: the complete journal of a dead process; None where nothing is proven.
    """

    lives: bool = False
    records: Sequence[Record] | None = None


@dataclass(frozen=True, slots=True)
class Leftover:
    """The journal of a dead process that lies about: `records` is None where it proves nothing."""

    nonce: str
    records: Sequence[Record] | None


class Leftovers(Protocol):
    """The journals that dead processes left in this server's home."""

    def leftovers(self) -> Sequence[Leftover]:
        """All of them; none whose process lives."""

    def remove(self, nonce: str) -> None:
        """Remove one, when all that it says is in the books."""


class Journals(Protocol):
    """The journals of other processes, as far as they are at hand on this host."""

    def read(self, nonce: str | None, *, incarnation: int, home: str | None, boot_id: str | None) -> LeftBehind:
        """Read the journal of this nonce, if it is of this boot and database; `home` is that of its server."""


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


class Marks(Protocol):
    """Where the renewals that a database acknowledged are kept, outside of it. Best effort: several keepers stand in for one another.

    `life` is the name of this life of the books, `installation.uuid`.
    """

    def read(self, life: str) -> forgetting.Marks:
        """The marks of every server that are known here.

        Raises:
            Unavailable: they cannot be read now.
        """

    def note(self, life: str, server: str, mark: forgetting.Mark) -> None:
        """Keep a mark, unless a higher one of this server is kept already.

        Raises:
            Unavailable: it cannot be kept now.
        """


class Fences(Protocol):
    """Where the fences of claims are kept, outside of the database."""

    def raised(self, life: str, batch_id: int, fence: int) -> int:
        """Keep the fence of a claim; the one that was kept before, 0 if none is known.

        Raises:
            Unavailable: it cannot be kept now.
        """


class Resolver(Protocol):
    """What a relay can tell afterwards about messages whose reply never came. It proves only that it took one."""

    def queued(self, senders: Collection[str]) -> Mapping[str, str]:
        """Those of these envelope senders whose message the relay has taken, with its own name for the message.

        Raises:
            Unavailable: it cannot be asked now.
        """


class Post(Protocol):
    """Posts webhooks. Used on one event loop."""

    async def post(self, url: str, *, webhook_id: str, payload: str, secrets: Sequence[str]) -> Answer:
        """Try once, within a time of its own; whatever happens is an answer.

        Args:
            webhook_id: the same on every attempt, so that a receiver knows what he has had.
            secrets: each signs it.
        """

    async def close(self) -> None:
        """Close all connections."""
