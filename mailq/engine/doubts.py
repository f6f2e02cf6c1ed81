"""Settles what is in doubt: by a person's word, by a mailing's policy, or because a relay had it after all.

One transaction locks batches, settles their deliveries, opens the mailing again if something is to be sent, and notes who said so.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from mailq import telemetry
from mailq.core.in_doubt import AFTER, Verdict, by_policy, refusal
from mailq.core.mailing import Lane
from mailq.core.outcome import Doubt
from mailq.core.resending import GIVEN_UP
from mailq.engine.reopening import past_its_time, reopen
from mailq.errors import Conflict
from mailq.store import audit, doubts, mailings
from mailq.store.database import Transactions
from mailq.store.doubts import Doubtful, Locked, Resolved
from mailq.store.mailings import Mailing

log = telemetry.logger(__name__)

ACTION = "doubt.resolve"
POLICY = "policy"
BATCHES_A_TICK = 200


@dataclass(frozen=True, slots=True)
class Settled:
    """What was settled: how many deliveries, and the lanes to ring for because some are sent again."""

    num: int = 0
    lanes: frozenset[Lane] = frozenset()

    def __add__(self, more: "Settled") -> "Settled":
        return Settled(self.num + more.num, self.lanes | more.lanes)


@dataclass(frozen=True, slots=True)
class Judged:
    """A delivery in doubt, what it becomes, and what its row says from then on."""

    one: Doubtful
    verdict: Verdict
    reply: str | None


def judged(one: Doubtful, verdict: Verdict, *, by: str) -> Judged:
    """A verdict with the words that go with it."""
    words = {Verdict.SENT: f"taken for sent by {by}", Verdict.ERROR: f"{GIVEN_UP}{by}", Verdict.RESEND: None}
    return Judged(one, verdict, words[verdict])


def settle(tx: Connection, verdicts: Sequence[tuple[Locked, Sequence[Judged]]], *, actor: str) -> Settled:
    """Write verdicts about deliveries of batches that are locked already, all of them, before any mailing is.

    Raises:
        Conflict: something was to be sent again, and its mailing is over by now; roll back.
        BooksDiffer: a delivery was not in doubt; roll back.
    """
    again = set()
    for locked, some in verdicts:
        doubts.settle(tx, locked, [Resolved(each.one.seq, AFTER[each.verdict], each.reply) for each in some])
        noted = [(each.one.seq, _details(each)) for each in some]
        audit.note_deliveries(tx, locked.mailing_id, noted, actor=actor, action=ACTION)
        if any(each.verdict is Verdict.RESEND for each in some):
            again.add(locked.mailing_id)
    lanes = frozenset(reopen(tx, mailing_id, _require_resendable).lane for mailing_id in sorted(again))
    return Settled(sum(len(some) for _, some in verdicts), lanes)


def resolve_mailing(
    database: Transactions,
    reference: str,
    verdict: Verdict,
    *,
    actor: str,
    reason: Doubt | None = None,
    organization_id: int | None = None,
) -> Settled:
    """Settle everything of a mailing that is in doubt, or what is so for one reason; each batch in a transaction.

    Args:
        organization_id: whose mailing it must be; None is an operator, who may mean anybody's.

    Raises:
        NotFound: there is no such mailing.
        Conflict: nothing of it is in doubt; or it is over, and it was to be sent again.
    """
    with database.begin() as tx:
        mailing = mailings.find(tx, reference, organization_id=organization_id)
        require_allowed(tx, mailing, verdict)
        affected = doubts.batches_with(tx, mailing.id)
    total = Settled()
    for batch_id in affected:
        total += _settle_batch(database, batch_id, lambda one, _: judged(one, verdict, by=actor), actor=actor, reason=reason)
    if not total.num:
        raise nothing_in_doubt(mailing, reason)
    log.info("doubt.resolved", mailing=mailing.public_id, num=total.num, verdict=verdict, actor=actor)
    return total


def require_allowed(tx: Connection, mailing: Mailing, verdict: Verdict) -> None:
    """Refuse a verdict that a mailing no longer allows.

    Raises:
        Conflict: with the reason.
    """
    why = refusal(verdict, mailing.state, past_its_time=past_its_time(tx, mailing))
    if why is not None:
        raise Conflict(f"mailing {mailing.public_id} {why}; resolve as `sent` or `error`. Nothing was changed")


def _require_resendable(tx: Connection, mailing: Mailing) -> None:
    require_allowed(tx, mailing, Verdict.RESEND)


def nothing_in_doubt(mailing: Mailing, reason: Doubt | None) -> Conflict:
    """What a person is told who would settle what is settled."""
    why = f" for the reason {reason}" if reason else ""
    return Conflict(f"nothing of mailing {mailing.public_id} is in doubt{why}; nothing was changed")


def apply_policies(database: Transactions, *, older_than: timedelta, limit: int = BATCHES_A_TICK) -> Settled:
    """Do with doubts of that age what the policies of their mailings say; at most `limit` batches at a time.

    Args:
        older_than: no less than a lease: until then evidence may come, and whoever began the mail may still send it.
    """
    with database.begin() as tx:
        found = doubts.for_policies(tx, older_than=older_than, limit=limit)
    total = Settled()
    for batch_id in found:
        try:
            total += _settle_batch(database, batch_id, _as_policy_says, actor=POLICY, older_than=older_than)
        except Conflict as error:  # cancelled between the look and the lock
            log.info("doubt.policy_too_late", batch_id=batch_id, reason=str(error))
    if total.num:
        log.info("doubt.policy_applied", num=total.num, batches=len(found))
    return total


@dataclass(frozen=True, slots=True)
class _Terms:
    """What the mailing says about its doubts."""

    mailing: Mailing
    past_its_time: bool


def _as_policy_says(one: Doubtful, terms: _Terms) -> Judged | None:
    policy = terms.mailing.doubt_policy
    verdict = by_policy(policy, one.reason, terms.mailing.state, past_its_time=terms.past_its_time)
    return None if verdict is None else judged(one, verdict, by=f"the policy {policy}")


def _settle_batch(
    database: Transactions,
    batch_id: int,
    judge: Callable[[Doubtful, _Terms], Judged | None],
    *,
    actor: str,
    reason: Doubt | None = None,
    older_than: timedelta = timedelta(0),
) -> Settled:
    with database.begin() as tx:
        locked = doubts.lock(tx, batch_id)
        mailing = mailings.get(tx, locked.mailing_id)
        terms = _Terms(mailing, past_its_time(tx, mailing))
        found = doubts.in_batch(tx, locked, reason=reason, older_than=older_than)
        verdicts = [given for one in found if (given := judge(one, terms)) is not None]
        return settle(tx, [(locked, verdicts)], actor=actor)


def _details(each: Judged) -> Mapping[str, str | None]:
    return {"reason": each.one.reason, "verdict": each.verdict, "relay": each.one.relay}
