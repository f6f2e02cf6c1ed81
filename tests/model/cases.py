"""The worlds that are searched: for each rule one in which the protocol goes wrong without it, and wider ones for the whole."""

from collections.abc import Mapping
from typing import NamedTuple

from tests.model.invariants import Invariant
from tests.model.rules import Rule
from tests.model.state import Faults, World


class Case(NamedTuple):
    """A world in which one rule is missed, what then breaks, and the step of the trace that tells why."""

    world: World
    breaks: Invariant
    telling: str


_SAME_HOST = (0, 0)
_LOG = World(Faults(stall=1, log=1))
_SLOW_CLOCK = World(Faults(refusal=1), deliveries=3, slow_clock=True)
_TWO_PASSES = World(Faults(refusal=1, pause=1), deliveries=3)
_AT_HAND = World(Faults(kill=1), hosts=_SAME_HOST)

MISSED: Mapping[Rule, Case] = {
    Rule.INTENT_FIRST: Case(World(Faults(kill=1)), Invariant.INTENT, "notes S 1"),
    Rule.FENCED_WRITES: Case(World(Faults(stall=1)), Invariant.SETTLED_ONCE, "process 0 commits: settles [1]"),
    Rule.CLAIM_RAISES_FENCE: Case(World(Faults(refusal=1)), Invariant.NOBODY_LOST, "the relay refuses 1 for now"),
    Rule.CLAIM_RESETS_WATERMARK: Case(_TWO_PASSES, Invariant.OPEN_BOUND, "claims the batch, fence 3"),
    Rule.PASS_BEFORE_FENCE: Case(_SLOW_CLOCK, Invariant.OPEN_BOUND, "the relay refuses 1 for now"),
    Rule.SETTLING_STAMPS_PASS: Case(_SLOW_CLOCK, Invariant.OPEN_BOUND, "the relay refuses 1 for now"),
    Rule.REOPENING_STAMPS_PASS: Case(World(Faults(drop=1, resend=1), deliveries=3), Invariant.OPEN_BOUND, "somebody resends 1"),
    Rule.DUE_IS_RESPECTED: Case(World(Faults(refusal=1, pause=1)), Invariant.NOT_TOO_EARLY, "the relay refuses 1 for now"),
    Rule.DUE_BY_STORED_VALUES: Case(_TWO_PASSES, Invariant.OPEN_BOUND, "time passes"),
    Rule.LEDGER_NO_TELLS: Case(World(Faults(commit_reply=1)), Invariant.INTENT, "takes its commit for done"),
    Rule.S_BEFORE_DOT: Case(_AT_HAND, Invariant.ONCE, "process 0 is killed"),
    Rule.CHECK_AFTER_S: Case(_LOG, Invariant.ONCE, "process 0 notes S 1 and sends dot 1"),
    Rule.JOURNAL_OF_THE_DEAD: Case(World(Faults(retire=1), hosts=_SAME_HOST), Invariant.ONCE, "the journal at hand"),
    Rule.JOURNAL_OF_THIS_BOOT: Case(World(Faults(power=1), hosts=_SAME_HOST), Invariant.ONCE, "loses its power"),
    Rule.MISSING_PROVES_NOTHING: Case(World(Faults(kill=1)), Invariant.ONCE, "server 1 reclaims the batch, the journal at hand"),
    Rule.JOURNAL_NAMED_BY_LEASE: Case(_AT_HAND, Invariant.ONCE, "server 0 reclaims the batch, the journal at hand"),
    Rule.RECORDS_NAME_FENCE: Case(
        World(Faults(kill=1, refusal=1), hosts=_SAME_HOST, late_discard=True), Invariant.ONCE, "refuses 2 for now"
    ),
    Rule.DISCARD_AFTER_ACK: Case(World(Faults(commit_reply=1, kill=1), hosts=_SAME_HOST), Invariant.ONCE, "it never takes place"),
    Rule.RECLAIM_COMPARES_FENCE: Case(
        World(Faults(kill=1), hosts=_SAME_HOST, slow_reclaim=True), Invariant.ONCE, "looks at the batch, the journal at hand"
    ),
    Rule.LOCK_THEN_READ: Case(World(Faults(stall=1), slow_reclaim=True), Invariant.SETTLED_ONCE, "looks at the batch"),
    Rule.ONLY_THE_HOLDER: Case(World(Faults(cancel=1)), Invariant.INTENT, "the mailing is cancelled, or expires"),
    Rule.OPEN_BEFORE_REST: Case(
        World(Faults(cancel=1, kill=1)), Invariant.SKIPPED_WAS_NOT_SENT, "the mailing is cancelled, or expires"
    ),
    Rule.FINISH_RECOUNTS: Case(World(Faults(drop=1, resend=1)), Invariant.FINISHED_IS_DONE, "somebody resends 2"),
    Rule.ASSUME_SENT_NEEDS_S: Case(
        World(Faults(kill=1, assume_sent=1)), Invariant.SENT_WAS_SENT, "the policy assumes that 1 was sent"
    ),
    Rule.ENDED_STAYS_ENDED: Case(World(Faults(kill=1, cancel=1, resend=1)), Invariant.FINISHED_IS_DONE, "somebody resends 1"),
    Rule.EVIDENCE_AFTER_LEASE: Case(
        World(Faults(retire=1, log=1)), Invariant.ONCE, "the relay's log does not know 1: it is pending again"
    ),
    Rule.EVIDENCE_AFTER_SESSION: Case(World(Faults(kill=1, log=1)), Invariant.ONCE, "the relay accepts 1, nobody listens"),
    Rule.LEFTOVERS_FIRST: Case(World(Faults(claim_reply=1)), Invariant.NOBODY_LOST, "never hears of it"),
    Rule.NO_REVIVAL: Case(_LOG, Invariant.ONCE, "server 0 renews the lease that ran out"),
    Rule.CLAIM_CHECKS_LEASE: Case(
        World(Faults(retire=1), deliveries=3), Invariant.DOUBT_BOUND, "process 0 claims the batch, fence 4"
    ),
    Rule.DEADLINE_IS_ASKED: Case(_LOG, Invariant.ONCE, "stalls until its lease has run out"),
    Rule.BOARD_NAMES_INCARNATION: Case(_LOG, Invariant.ONCE, "server 0 rejoins as incarnation 2"),
    Rule.TESTIMONY_NAMES_PASS: Case(
        World(Faults(stall=1, log=1, drop=1), deliveries=1, window=1, testimony=True),
        Invariant.ONCE,
        "process 0 finds its lease lost and tells what it knows",
    ),
}

WIDER: Mapping[str, World] = {
    "two deaths": World(Faults(kill=2)),
    "a death and three deliveries on one host": World(Faults(kill=1), deliveries=3, hosts=_SAME_HOST),
    "a refusal and a death on one host": World(Faults(kill=1, refusal=1), hosts=_SAME_HOST, late_discard=True),
    "two stalls": World(Faults(stall=2)),
    "a stall that is told of": World(Faults(stall=1, resend=1), testimony=True),
    "a refusal that is told of": World(Faults(stall=1, refusal=1), testimony=True),
    "a death and a lost claim": World(Faults(kill=1, claim_reply=1)),
    "a stall and a lost claim": World(Faults(stall=1, claim_reply=1), hosts=_SAME_HOST, slow_reclaim=True),
    "a stall and a lost commit": World(Faults(stall=1, commit_reply=1)),
    "a death and a loss of power": World(Faults(kill=1, power=1), deliveries=1, window=1, hosts=_SAME_HOST),
    "a death and a cancelled mailing on one host": World(Faults(kill=1, cancel=1), hosts=_SAME_HOST),
    "a stop and a death": World(Faults(stop=1, kill=1)),
    "a stop and a pause": World(Faults(stop=1, pause=1)),
    "a stop and a refusal": World(Faults(stop=1, refusal=1), deliveries=3),
    "a closed session and a death": World(Faults(drop=1, kill=1)),
    "a closed session and the relay's log": World(Faults(drop=1, log=1, stall=1), deliveries=1, window=1),
    "a force and the relay's log on one host": World(Faults(retire=1, log=1), hosts=_SAME_HOST),
    "assumed sent on one host": World(Faults(kill=1, assume_sent=1), hosts=_SAME_HOST),
    "a death while reclaiming": World(Faults(kill=2), deliveries=1, window=1, hosts=_SAME_HOST, slow_reclaim=True),
    "many things and one delivery": World(
        Faults(kill=1, stall=1, refusal=1, commit_reply=1), deliveries=1, window=1, hosts=_SAME_HOST
    ),
}
"""Worlds that are searched to the end, all rules in place."""
