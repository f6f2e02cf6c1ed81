"""Takes over what worker processes held that are gone: their journals tell what became of it, doubt where they tell nothing."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from mailq import telemetry
from mailq.core.batch import Claim, State
from mailq.core.journal import Evidence, Record, TornJournal, evidence
from mailq.core.retry import RetryPolicy
from mailq.engine.aftermath import finish_mailing
from mailq.engine.ports import Journal, Journals, LeftBehind, Leftovers
from mailq.engine.reclaiming import Case, Reclaimed, reclaim
from mailq.engine.testimony import Testimony
from mailq.errors import BooksDiffer
from mailq.store import leases
from mailq.store.database import Database, KeptConnection, Transactions
from mailq.store.leases import Leased

log = telemetry.logger(__name__)

BATCHES_A_TRANSACTION = 50
"""So many rows are locked at once: few enough that an owner that lives after all does not wait."""


class NoJournals:
    """Where no journal is at hand, nothing is proven."""

    def read(self, nonce: str | None, *, incarnation: int, home: str | None, boot_id: str | None) -> LeftBehind:
        """Nothing."""
        return LeftBehind()


@dataclass(frozen=True, slots=True)
class Own:
    """What a process knows of itself.

    Attributes:
        nonce: the name of its journal.
        records: what stands in it; None if it cannot be read.
        held: the claim it has worked under, if any. Its journal proves nothing about another one.
    """

    nonce: str
    records: Sequence[Record] | None
    held: Claim | None = None

    @classmethod
    def of(cls, journal: Journal, held: Claim | None) -> "Own":
        """Read the calling process's own journal."""
        try:
            return cls(journal.nonce, journal.records(), held)
        except (OSError, TornJournal) as error:
            log.error("journal.unreadable", journal=journal.nonce, error=str(error))
            return cls(journal.nonce, None, held)

    def proves(self, case: Case) -> bool:
        """Whether its records say what became of a batch."""
        claim = case.claim
        return self.held is not None and (self.held.batch_id, self.held.fence) == (claim.batch_id, claim.fence)


@dataclass(frozen=True, slots=True)
class Remains:
    """What is still leased to a process after its batches were to be reclaimed.

    Attributes:
        num_locked: batches whose rows are locked right now.
        journals: those named by batches whose books differ. A person looks at them, and what the journals say is needed then.
    """

    num_locked: int = 0
    journals: frozenset[str | None] = frozenset()


class Restarter:
    """Reclaims batches. The fence rises with each reclaim, so a process wrongly believed dead does no harm.

    Former incarnations and dead processes leave journals behind; what these know besides is told, and the files removed.
    A batch whose process lives, by the lock of its journal, is left to it, unless its server was retired. Callers ring for what
    became ready.

    Args:
        looking: where a process looks what it holds; it does so before every claim.
    """

    def __init__(
        self,
        database: Database,
        journals: Journals | None = None,
        retry: RetryPolicy | None = None,
        *,
        testimony: Testimony | None = None,
        leftovers: Leftovers | None = None,
        looking: Transactions | None = None,
    ) -> None:
        self._database = database
        self._journals = journals or NoJournals()
        self._retry = retry or RetryPolicy()
        self._testimony = testimony
        self._leftovers = leftovers
        self._looking = looking or database

    def former_incarnations(self, server_id: int, incarnation: int) -> int:
        """Reclaim what earlier starts of a server left leased; how many batches."""
        taken = self._reclaim(self._cases(lambda tx: leases.before(tx, server_id, incarnation), _dead)).done
        self._hear_leftovers()
        return taken

    def own_incarnation(self, server_id: int, incarnation: int) -> int:
        """Reclaim what this start of a server has left leased, when its worker processes have ended; how many batches."""
        return self.former_incarnations(server_id, incarnation + 1)

    def of_server(self, server_id: int, incarnation: int) -> int:
        """Reclaim whatever is leased to an incarnation that was retired and to those before it, whether their processes live or not;
        how many batches. What the server has claimed under a later one stays its own."""
        return self._reclaim(self._cases(lambda tx: leases.before(tx, server_id, incarnation + 1), _any)).done

    def dead_processes(self, server_id: int, incarnation: int) -> int:
        """Reclaim what worker processes of this start of a server held that have died; how many batches. On their own host only."""
        taken = self._reclaim(self._cases(lambda tx: leases.of_incarnation(tx, server_id, incarnation), _proven_dead)).done
        if taken:
            self._hear_leftovers()
        return taken

    def of_process(self, process: str, own: Own | None = None, *, vet: Callable[[Claim], None] = lambda _: None) -> Remains:
        """Reclaim what the books say the calling process holds, when it knows of nothing: a claim or a release whose reply was lost.

        Args:
            own: its journal. A batch that names another one was held by a dead process whose pid and so whose name came again.
            vet: called with each claim before anything is written; what it raises ends this.
        """
        with self._looking.begin() as tx:
            found = leases.of_process(tx, process)
        if not found:
            return Remains()
        for one in found:
            vet(one.claim)
        left = {own.nonce: LeftBehind(records=own.records)} if own is not None else {}
        cases = self._witnessed(found, _any, left)
        if own is not None:
            # A claim whose reply was lost has begun nothing; should one have, nobody knows what became of it.
            cases = [
                case if case.leased.journal != own.nonce or own.proves(case) else replace(case, known=None) for case in cases
            ]
        reclaimed = self._reclaim(cases)
        journals = frozenset(case.leased.journal for case in reclaimed.differ)
        return Remains(len(found) - reclaimed.done - len(reclaimed.differ), journals)

    def _hear_leftovers(self) -> None:
        # After the batches that name them are reclaimed and committed: only then is a journal of no more use.
        if self._testimony is not None and self._leftovers is not None:
            self._testimony.of_leftovers(self._leftovers)

    def _cases(self, seen: Callable[[Connection], Sequence[Leased]], fit: "Fit") -> list[Case]:
        with self._database.begin() as tx:
            found = seen(tx)
        return self._witnessed(found, fit, {})

    def _witnessed(self, found: Iterable[Leased], fit: "Fit", read: dict[str, LeftBehind]) -> list[Case]:
        """Read the journals, each once. This comes before the batches are seized: what has changed hands by then is left alone."""
        known: dict[str, Mapping[tuple[int, int], Sequence[Record]]] = {}
        cases = []
        for one in found:
            left = self._left_behind(one, read)
            if not fit(one, left):
                continue
            nonce = one.journal or ""
            if left.records is None:
                cases.append(Case(one, None))
                continue
            if nonce not in known:
                known[nonce] = _by_pass(left.records)
            cases.append(Case(one, _evidence(known[nonce], one.claim)))
        return cases

    def _left_behind(self, one: Leased, read: dict[str, LeftBehind]) -> LeftBehind:
        if one.journal is None:
            return LeftBehind()
        if one.journal not in read:
            read[one.journal] = self._journals.read(
                one.journal, incarnation=one.claim.owner.incarnation, home=one.home, boot_id=one.boot_id
            )
        return read[one.journal]

    def _reclaim(self, cases: Sequence[Case]) -> "_Count":
        if not cases:
            return _Count()
        kept, total, finished = KeptConnection(self._database), _Count(), set[int]()
        try:
            for start in range(0, len(cases), BATCHES_A_TRANSACTION):
                done, differ = self._reclaim_some(kept, cases[start : start + BATCHES_A_TRANSACTION])
                total = _Count(total.done + len(done), (*total.differ, *differ))
                finished |= {one.claim.mailing_id for one in done if one.state is State.FINISHED}
            for mailing_id in sorted(finished):
                finish_mailing(kept, mailing_id, State.FINISHED)
        finally:
            kept.close()
        return total

    def _reclaim_some(self, database: Transactions, cases: Sequence[Case]) -> tuple[list[Reclaimed], list[Case]]:
        """Those that were reclaimed, and those that must not be."""
        try:
            with database.begin() as tx:
                done = reclaim(tx, cases, self._retry)
        except BooksDiffer as error:
            if len(cases) > 1:
                # One of them: the others must not wait for the person who looks at it.
                each = [self._reclaim_some(database, [case]) for case in cases]
                return [one for done, _ in each for one in done], [case for _, differ in each for case in differ]
            log.error("batch.books_differ", batch_id=cases[0].claim.batch_id, fence=cases[0].claim.fence, error=str(error))
            return [], list(cases)
        for one in done:
            _log(one)
        return done, []


@dataclass(frozen=True, slots=True)
class _Count:
    """How many batches were reclaimed, and those of which the books differ."""

    done: int = 0
    differ: tuple[Case, ...] = ()


Fit = Callable[[Leased, LeftBehind], bool]
"""Whether a batch may be reclaimed, by what its process has left behind."""


def _log(one: Reclaimed) -> None:
    claim = one.claim
    facts = {"batch_id": claim.batch_id, "fence": claim.fence, "process": claim.owner.process, "state": one.state}
    log.info("batch.reclaimed", **facts, open=one.num_open, in_doubt=one.in_doubt)


def _any(_: Leased, __: LeftBehind) -> bool:
    return True


def _dead(_: Leased, left: LeftBehind) -> bool:
    return not left.lives


def _proven_dead(one: Leased, left: LeftBehind) -> bool:
    return not left.lives and (left.records is not None or not _exists(one.claim.owner.process))


def _exists(process: str) -> bool:
    pid = process.rpartition("/")[2]
    if not pid.isdigit():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _by_pass(records: Sequence[Record]) -> Mapping[tuple[int, int], Sequence[Record]]:
    passes: dict[tuple[int, int], list[Record]] = {}
    for record in records:
        passes.setdefault((record.batch_id, record.fence), []).append(record)
    return passes


def _evidence(passes: Mapping[tuple[int, int], Sequence[Record]], claim: Claim) -> Mapping[int, Evidence]:
    return evidence(passes.get((claim.batch_id, claim.fence), ()), batch_id=claim.batch_id, fence=claim.fence)
