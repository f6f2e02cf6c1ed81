"""Takes batches from owners that are gone: what they had begun is settled by evidence, in few statements however many batches."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from sqlalchemy import Connection

from mailq.core.batch import Claim, Left, State, Tally, after_pass
from mailq.core.delivery import Change, settle
from mailq.core.delivery import State as DeliveryState
from mailq.core.evidence import by_evidence
from mailq.core.journal import Evidence
from mailq.core.retry import RetryPolicy
from mailq.engine.aftermath import SKIP_THE_REST
from mailq.errors import BooksDiffer
from mailq.store import deliveries, leases, recipients
from mailq.store.batches import Counted
from mailq.store.deliveries import Settled
from mailq.store.leases import Leased, Open, Standing, Taking

SETTLED_AT_ONCE = 100
"""Without statistics each change is compared with each: the statement is made for a window, not for a thousand."""


@dataclass(frozen=True, slots=True)
class Case:
    """A batch to be reclaimed, and what is known of its open deliveries: None where nothing is proven."""

    leased: Leased
    known: Mapping[int, Evidence] | None

    @property
    def claim(self) -> Claim:
        """The claim that is ended."""
        return self.leased.claim


@dataclass(frozen=True, slots=True)
class Reclaimed:
    """A batch that was reclaimed."""

    claim: Claim
    state: State
    num_open: int
    in_doubt: int


@dataclass(frozen=True, slots=True)
class _Found:
    """Of a batch: what is open, and what is left besides."""

    open: Sequence[Open]
    rest: Left


@dataclass(frozen=True, slots=True)
class _Decided:
    case: Case
    settled: Sequence[Settled]
    left: Left
    num_open: int


def reclaim(tx: Connection, cases: Sequence[Case], retry: RetryPolicy) -> list[Reclaimed]:
    """Take these batches from their owners, but for those that have changed hands or that somebody is writing about right now.

    Raises:
        BooksDiffer: counters and deliveries of one of them disagree; roll back.
    """
    seized = leases.seize(tx, [case.claim for case in cases])
    cases = [case for case in cases if case.claim.batch_id in seized]
    if not cases:
        return []
    now, standings = leases.standings(tx, {case.claim.mailing_id for case in cases})
    found = _look(tx, [(case.claim, seized[case.claim.batch_id]) for case in cases], standings)
    decided = [
        _decide(case, found[case.claim.batch_id], standings[case.claim.mailing_id], now=now, retry=retry) for case in cases
    ]
    for one in decided:
        _require_books(one, seized[one.case.claim.batch_id], found[one.case.claim.batch_id])
    _settle(tx, decided)
    takings = [_taking(tx, one, standings[one.case.claim.mailing_id]) for one in decided]
    leases.take(tx, takings)
    return [
        Reclaimed(taking.claim, taking.state, one.num_open, taking.gain.in_doubt)
        for one, taking in zip(decided, takings, strict=True)
    ]


def _look(tx: Connection, seized: Sequence[tuple[Claim, Counted]], standings: Mapping[int, Standing]) -> dict[int, _Found]:
    """Read what is open and what is left besides. That is counted only where it decides whether a batch ends or waits: to count
    a thousand batches that have yet to be worked would take the time in which they could be worked."""
    opened = leases.opened(tx, seized)
    found, decisive = {}, []
    for claim, counted in seized:
        begun = opened.get(claim.batch_id, [])
        deferred = counted.deferred - sum(one.state is DeliveryState.DEFERRED for one in begun)
        pending = counted.pending - sum(one.state is DeliveryState.PENDING for one in begun)
        found[claim.batch_id] = _Found(begun, Left(pending, deferred, None))
        if pending <= 0 or deferred < 0 or standings[claim.mailing_id].state in SKIP_THE_REST:
            decisive.append((claim, counted))
    rest = leases.rest(tx, decisive)
    return found | {batch_id: _Found(found[batch_id].open, left) for batch_id, left in rest.items()}


def _decide(case: Case, found: _Found, standing: Standing, *, now: datetime, retry: RetryPolicy) -> _Decided:
    changes = [(one, _change(case, one, standing, now=now, retry=retry)) for one in found.open]
    not_begun = [one for one, change in changes if change is None]
    settled = [Settled(one.seq, one.state, change) for one, change in changes if change is not None]
    due = [one.change.due_at for one in settled if one.change.due_at is not None]
    # What had begun as a deferred delivery and was not sent is due at once, as it was.
    due += [now for one in not_begun if one.state is DeliveryState.DEFERRED]
    due += [found.rest.next_due_at] if found.rest.next_due_at is not None else []
    left = Left(
        pending=found.rest.pending + sum(one.state is DeliveryState.PENDING for one in not_begun),
        deferred=found.rest.deferred
        + sum(one.state is DeliveryState.DEFERRED for one in not_begun)
        + sum(one.change.state is DeliveryState.DEFERRED for one in settled),
        next_due_at=min(due, default=None),
    )
    return _Decided(case, settled, left, len(found.open))


def _change(case: Case, one: Open, standing: Standing, *, now: datetime, retry: RetryPolicy) -> Change | None:
    outcome = by_evidence(case.known, one.seq)
    if outcome is None:
        return None
    began = standing.began(case.claim.first_claimed_at)
    return settle(outcome, attempt=one.attempts + 1, started_at=began, now=now, retry=retry)


def _require_books(one: _Decided, counted: Counted, found: _Found) -> None:
    deferred = found.rest.deferred + sum(open_.state is DeliveryState.DEFERRED for open_ in found.open)
    pending = found.rest.pending + len(found.open) - (deferred - found.rest.deferred)
    if (counted.pending, counted.deferred) != (pending, deferred):
        says, has = (counted.pending, counted.deferred), (pending, deferred)
        raise BooksDiffer(f"batch {one.case.claim.batch_id}: counters say {says}, deliveries {has} (pending, deferred)")


def _settle(tx: Connection, decided: Iterable[_Decided]) -> None:
    """Write the changes, those of one mailing and fence together."""

    def together(one: _Decided) -> tuple[int, int, str]:
        return (one.case.claim.mailing_id, one.case.claim.fence, one.case.leased.relay or "")

    for (_, _, relay), group in groupby(sorted(decided, key=together), key=together):
        alike = list(group)
        settled = [change for one in alike for change in one.settled]
        for start in range(0, len(settled), SETTLED_AT_ONCE):
            some = settled[start : start + SETTLED_AT_ONCE]
            deliveries.settle(tx, alike[0].case.claim, some, relay=relay or None)


def _taking(tx: Connection, one: _Decided, standing: Standing) -> Taking:
    claim, gain = one.case.claim, deliveries.tally(one.settled)
    skip = SKIP_THE_REST.get(standing.state)
    if skip is None:
        state, due_at = after_pass(one.left)
        return Taking(claim, state, due_at, gain)
    skipped = recipients.skip_rest(tx, claim.batch_id, skip)
    return Taking(claim, State.CANCELLED, None, gain + Tally(skipped=skipped, deferred=-one.left.deferred))
