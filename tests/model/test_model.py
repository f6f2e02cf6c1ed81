"""With all rules the protocol holds in every state that can be reached; without any one of them it does not."""

import pytest

from tests.model.cases import MISSED, WIDER
from tests.model.invariants import Invariant
from tests.model.rules import EVERY_RULE, Rule
from tests.model.search import TooManyStates, search
from tests.model.state import Faults, World


@pytest.mark.parametrize("rule", Rule, ids=lambda rule: rule.name.lower())
def test_without_a_rule_an_invariant_breaks(rule):
    """And with it, nothing does in the same world."""
    case = MISSED[rule]
    found = search(case.world._replace(rules=EVERY_RULE - {rule}))
    print(rule.value, found, sep="\n")
    assert found.invariant is case.breaks
    assert any(case.telling in step for step in found.trace), found
    kept = search(case.world)
    assert kept.invariant is None, kept


@pytest.mark.parametrize("name", WIDER)
def test_with_every_rule_all_invariants_hold(name):
    """In every state of a world that somebody might have forgotten."""
    found = search(WIDER[name])
    assert found.invariant is None, found
    assert found.states > 30


def test_every_invariant_is_broken_by_something():
    """But the counters: nothing here writes them but by what it changes. Those in PostgreSQL are watched by test_ledger_machine.py."""
    broken = {case.breaks for case in MISSED.values()}
    assert set(Invariant) - broken == {Invariant.BOOKS}


def test_a_trace_is_told_step_by_step():
    """From the start to the state that breaks."""
    found = search(World(Faults(claim_reply=1), rules=EVERY_RULE - {Rule.LEFTOVERS_FIRST}))
    assert found.trace == ("process 0 claims the batch, fence 2, and never hears of it",)
    assert str(found).splitlines()[0] == f"broken: {Invariant.NOBODY_LOST.value}"
    assert str(found).splitlines()[1].endswith("1. process 0 claims the batch, fence 2, and never hears of it")


def test_a_search_that_cannot_end_says_so():
    """It never calls holding what it has not seen."""
    with pytest.raises(TooManyStates):
        search(World(Faults(kill=1)), limit=10)
