"""A call's states, its priorities, and what its answers are about."""

import pytest

from mailq.core.call import NEXT, OVER, RANK, TOLD, Event, Priority, RespondWhen, State

CALLS = {Event.CALL_FINISHED, Event.CALL_ERROR, Event.CALL_NOT_RUN, Event.CALL_CANCELLED}


def reached_from(state):
    """All states that a call can come to."""
    found, new = set(), {state}
    while new:
        found |= new
        new = {after for each in new for after in NEXT[each]} - found
    return found


def test_every_state_has_its_steps():
    assert set(NEXT) == set(State)


def test_a_call_has_ended_where_no_step_leads_on():
    assert {State.FINISHED, State.ERROR, State.NOT_RUN, State.CANCELLED} == OVER


@pytest.mark.parametrize("state", sorted(set(State) - OVER))
def test_every_call_can_come_to_its_turn_and_to_an_end(state):
    assert State.READY in reached_from(state)
    assert {State.FINISHED, State.ERROR, State.NOT_RUN} <= reached_from(state)


def test_a_call_runs_from_its_turn_alone():
    assert {state for state, after in NEXT.items() if State.FINISHED in after or State.ERROR in after} == {State.READY}


def test_nothing_comes_back_to_wait():
    assert not any(State.WAITING in after for after in NEXT.values())
    assert State.SCHEDULED not in reached_from(State.READY)


def test_what_has_not_come_to_its_turn_in_a_conversation_is_not_taken_back():
    assert State.CANCELLED not in NEXT[State.WAITING]


def test_high_comes_before_normal_before_low():
    assert sorted(Priority, key=RANK.__getitem__) == [Priority.HIGH, Priority.NORMAL, Priority.LOW]


def test_every_condition_says_what_it_is_about():
    assert set(TOLD) == set(RespondWhen)
    assert set().union(*TOLD.values()) == set(Event)


@pytest.mark.parametrize(
    ("when", "told"),
    [
        (RespondWhen.NEVER, set()),
        (RespondWhen.ALWAYS, CALLS),
        (RespondWhen.ON_ERROR, {Event.CALL_ERROR, Event.CALL_NOT_RUN}),
        (RespondWhen.ON_CALL_COMPLETE, {Event.CALL_FINISHED, Event.CALL_ERROR}),
        (RespondWhen.ON_CONVERSATION_ERROR, {Event.CONVERSATION_ERROR}),
        (RespondWhen.ON_CONVERSATION_COMPLETE, {Event.CONVERSATION_FINISHED}),
    ],
)
def test_each_condition_is_about_its_events(when, told):
    assert TOLD[when] == told
