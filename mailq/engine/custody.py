"""What a worker process holds by the books and knows by its journal. Both must agree before it claims anything more."""

from collections.abc import Callable

from mailq import telemetry
from mailq.core.batch import Claim, Owner
from mailq.engine.ports import Journal
from mailq.engine.restarter import Own, Restarter
from mailq.engine.testimony import Testimony
from mailq.errors import BooksForgotten, MailqError

log = telemetry.logger(__name__)

REMEMBERED = 10_000
"""So many closed batches are remembered, to notice that the database has forgotten one of them."""

OpenJournal = Callable[[int], Journal]
"""Opens a journal for the claims of an incarnation; raises OSError if it cannot."""


class NoJournal(MailqError):
    """No journal could be opened or written, so nothing may be sent: its disk is full, gone or not ours to write on."""

    exit_code = 73


class Custody:
    """One journal for each incarnation that the process claims under. Used by one thread."""

    def __init__(self, restarter: Restarter, testimony: Testimony, open_journal: OpenJournal) -> None:
        self._restarter = restarter
        self._testimony = testimony
        self._open = open_journal
        self._owner: Owner | None = None
        self._journal: Journal | None = None
        self._held: Claim | None = None
        self._lost: list[Claim] = []
        self._closed: dict[int, int] = {}

    def enter(self, owner: Owner) -> Journal | None:
        """The journal to claim with as this owner, once nothing is left that this process held before; None while something is.

        Raises:
            NoJournal: none could be opened.
            BooksForgotten: the database leases to this process what it had closed.
            Unavailable: the database does not answer.
        """
        if self._owner is not None and _is_other(self._owner, owner) and not self.leave():
            return None
        self._journal_for(owner)
        # Another one, if it had to be left behind.
        return self._journal_for(owner) if self.settle() else None

    def settle(self) -> bool:
        """Reclaim what the books say this process holds, by its own records, and tell what they know of what was taken from it;
        whether nothing is left, so that the records are forgotten.

        Raises:
            BooksForgotten: the database leases to this process what it had closed.
            Unavailable: the database does not answer.
        """
        if self._owner is None or self._journal is None:
            return True
        own = Own.of(self._journal, self._held)
        remains = self._restarter.of_process(self._owner.process, own, vet=self.require_memory)
        if remains.num_locked:
            return False
        if self._held is not None and self._held not in self._lost:
            # Somebody else may have taken it without its records, while the database was away.
            self._lost.append(self._held)
        self._testify(own)
        self._held = None
        if own.nonce in remains.journals:
            self._leave_behind()
        else:
            self._discard()
        return True

    def hold(self, held: Claim) -> None:
        """A claim was made, and the database has said so.

        Raises:
            BooksForgotten: this process has closed it already.
        """
        self.require_memory(held)
        self._held = held

    def require_memory(self, held: Claim) -> None:
        """Refuse a claim that this process has closed already.

        Raises:
            BooksForgotten: the database has forgotten that.
        """
        closed = self._closed.get(held.batch_id, 0)
        if held.fence <= closed:
            raise BooksForgotten(
                f"the database is behind what was committed to it: this process closed batch {held.batch_id} under fence {closed},"
                f" and the database leases it under fence {held.fence}"
            )

    def closed(self, held: Claim) -> None:
        """A batch was let go of, and the database has said so."""
        self._held = None
        self._closed.pop(held.batch_id, None)
        if len(self._closed) >= REMEMBERED:
            del self._closed[next(iter(self._closed))]
        self._closed[held.batch_id] = held.fence
        if not self._lost:
            self._discard()

    def lost(self, held: Claim) -> None:
        """A batch was taken from this process: the records stay until what they know of it has been told."""
        self._lost.append(held)

    def leave(self) -> bool:
        """End the journal, if nothing is left that it could tell; whether it ended.

        Raises:
            BooksForgotten: the database leases to this process what it had closed.
            Unavailable: the database does not answer.
        """
        if self._journal is None:
            return True
        if not self.settle():
            return False
        if self._journal is not None:
            self._journal.close(remove=True)
        self._journal = self._owner = None
        return True

    def begin_anew(self) -> None:
        """Drop the journal and all memory: the database has forgotten what they are about, and an operator has accepted that."""
        if self._journal is not None:
            self._journal.close(remove=True)
        self._journal = self._owner = self._held = None
        self._lost.clear()
        self._closed.clear()

    def _journal_for(self, owner: Owner) -> Journal:
        if self._journal is None:
            try:
                self._journal, self._owner = self._open(owner.incarnation), owner
            except OSError as error:
                raise NoJournal(f"no journal can be written, so nothing is sent: {error}; free or mend its disk") from error
        return self._journal

    def _testify(self, own: Own) -> None:
        while self._lost:
            held = self._lost[-1]
            if own.records is not None:
                self._testimony.of_pass(held.batch_id, held.fence, own.records)
            self._lost.pop()

    def _leave_behind(self) -> None:
        """Let go of the journal as it is. The batch that names it stays leased until a person has mended its books; whoever
        reclaims it then must not take what was forgotten for never sent."""
        if self._journal is not None:
            self._journal.close(remove=False)
        self._journal = self._owner = None

    def _discard(self) -> None:
        if self._journal is None:
            return
        try:
            self._journal.discard()
        except OSError as error:
            # What stays there names its pass, and says nothing about any other.
            log.warning("journal.not_discarded", error=str(error))


def _is_other(one: Owner, other: Owner) -> bool:
    return (one.incarnation, one.process) != (other.incarnation, other.process)
