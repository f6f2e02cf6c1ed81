"""Notices that the database has forgotten what it had committed, and stops all sending until an operator accepts that.

A database restored from a backup is consistent in itself; only what is kept outside can tell. Two things are kept: the renewals of
every server's lease, which show a restore by a heartbeat or more, and the fence of every batch's last claim, which shows one by a
single claim. What a worker process remembers of its own batch (`ledger_no`) is compared by its ledger.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from mailq import telemetry
from mailq.clock import utc_now
from mailq.core.batch import Claim
from mailq.core.forgetting import Behind, Mark, Marks, behind, granted_again, highest
from mailq.engine import ports
from mailq.errors import BooksForgotten, Unavailable
from mailq.store import batches, beats, installation
from mailq.store.database import Transactions

log = telemetry.logger(__name__)

COMPARE_EVERY = 12
"""Renewals between two looks at the marks of all servers. Each living server looks at its own every time."""
REMEMBERED = 10_000
"""Claims that a process remembers by itself, should what is kept outside be lost."""


class Guard:
    """One process's guard. Keepers that are away are passed over: one that answers is enough.

    Args:
        now: what a mark is dated by.
    """

    def __init__(
        self,
        database: Transactions,
        keepers: Sequence[ports.Marks],
        fences: ports.Fences | None,
        *,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database = database
        self._keepers = keepers
        self._fences = fences
        self._now = now
        self._claimed: dict[tuple[str, int], int] = {}
        self._noted = 0

    def check(self) -> None:
        """Compare the marks of all servers with what the database knows, and stop all sending if it knows less.

        Raises:
            Unavailable: the database does not answer.
        """
        found = self.compared()
        if found:
            self.forgotten("; ".join(map(str, found)))

    def compared(self) -> list[Behind]:
        """The servers of which the database has forgotten something; changes nothing.

        Raises:
            Unavailable: the database does not answer.
        """
        marks = self._marks(self.life())
        # Read after the marks: what was renewed in between is in the database first.
        with self._database.begin() as tx:
            return behind(marks, beats.of_servers(tx))

    def note(self, server: str, beat: int, *, life: str | None = None) -> None:
        """Take note of a renewal that the database has just granted this server: each once, by whoever it was granted to.

        Args:
            life: of the database, if it was read together with the renewal.

        Raises:
            Unavailable: the database does not answer.
        """
        life = life or self.life()
        kept = self._marks(life).get(server)
        if kept is not None and kept.beat >= beat:
            self._suspect(server, kept, beat)
        mark = Mark(beat, self._now())
        self._ask(lambda keeper: keeper.note(life, server, mark))
        self._noted += 1
        if self._noted % COMPARE_EVERY == 0:
            self.check()

    def claimed(self, held: Claim) -> None:
        """Take note of a claim that is committed, before the first of its deliveries begins.

        Raises:
            BooksForgotten: this claim of the batch, or a later one, was made before. Hand it back and send nothing.
            Unavailable: the database does not answer.
        """
        life = self.life()
        kept = max(self._claimed.pop((life, held.batch_id), 0), self._kept_before(life, held))
        if len(self._claimed) >= REMEMBERED:
            del self._claimed[next(iter(self._claimed))]
        self._claimed[life, held.batch_id] = max(kept, held.fence)
        if kept < held.fence:
            return
        with self._database.begin() as tx:
            now = batches.fence(tx, held.batch_id)
        if granted_again(kept, held.fence, now=now):
            raise BooksForgotten(f"batch {held.batch_id} had been claimed with fence {kept}, and was now with {held.fence} again")

    def forgotten(self, why: str) -> None:
        """Stop all sending, on every server: this database has forgotten.

        Raises:
            Unavailable: the database does not answer.
        """
        with self._database.begin() as tx:
            latched = installation.latch(tx, why)
        if latched:
            log.error("database.has_forgotten", why=why, do="mailqctl db accept-restore")

    def standing(self) -> installation.Forgotten | None:
        """Since when nothing is sent, and why; None when all is well.

        Raises:
            Unavailable: the database does not answer.
        """
        with self._database.begin() as tx:
            return installation.forgotten(tx)

    def life(self) -> str:
        """The name of this life of the books; asked every time, because an accepted restore begins a new one.

        Raises:
            Unavailable: the database does not answer.
        """
        with self._database.begin() as tx:
            return installation.uuid(tx)

    def _suspect(self, server: str, kept: Mark, beat: int) -> None:
        with self._database.begin() as tx:
            now = beats.of_servers(tx).get(server, 0)
        if granted_again(kept.beat, beat, now=now):
            self.forgotten(str(Behind(server, kept, beat - 1)))

    def _kept_before(self, life: str, held: Claim) -> int:
        if self._fences is None:
            return 0
        try:
            return self._fences.raised(life, held.batch_id, held.fence)
        except Unavailable as error:
            log.warning("guard.keeper_away", error=str(error))
            return 0

    def _marks(self, life: str) -> Marks:
        kept: list[Marks] = []
        self._ask(lambda keeper: kept.append(keeper.read(life)))
        return highest(kept)

    def _ask(self, question: Callable[[ports.Marks], None]) -> None:
        for keeper in self._keepers:
            try:
                question(keeper)
            except Unavailable as error:
                log.warning("guard.keeper_away", error=str(error))
