"""Where a batch goes when its owner lets go of it, and how its counters add up."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailq.core.batch import NEXT, Left, State, Tally, after_pass

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)

moments = st.integers(0, 10_000).map(lambda seconds: NOW + timedelta(seconds=seconds))
lefts = st.one_of(
    st.builds(Left, pending=st.integers(0, 5), deferred=st.just(0), next_due_at=st.none()),
    st.builds(Left, pending=st.integers(0, 5), deferred=st.integers(1, 5), next_due_at=moments),
)
tallies = st.builds(Tally, *[st.integers(-100, 100)] * 5)


def test_a_batch_with_nothing_left_is_finished() -> None:
    """Whatever the relay does: there is nothing it could be asked for."""
    assert after_pass(Left(0, 0, None)) == (State.FINISHED, None)
    assert after_pass(Left(0, 0, None), rest_until=LATER) == (State.FINISHED, None)


def test_a_batch_handed_back_in_the_middle_is_ready_at_once() -> None:
    """What is due later does not hold up what can be sent now."""
    assert after_pass(Left(pending=3, deferred=2, next_due_at=LATER)) == (State.READY, None)


def test_a_batch_of_deferred_deliveries_waits_for_the_earliest() -> None:
    """The time of a retry is in Postgres, not in Celery."""
    assert after_pass(Left(0, 2, LATER)) == (State.WAITING, LATER)


def test_a_resting_relay_makes_the_whole_batch_wait() -> None:
    """One `due_at` of the batch, instead of a thousand deferred deliveries."""
    assert after_pass(Left(1000, 0, None), rest_until=LATER) == (State.WAITING, LATER)


@pytest.mark.parametrize(("due", "rest"), [(NOW, LATER), (LATER, NOW)])
def test_deferred_deliveries_wait_for_the_relay_and_for_their_time(due: datetime, rest: datetime) -> None:
    """Whichever comes last."""
    assert after_pass(Left(0, 1, due), rest_until=rest) == (State.WAITING, LATER)


def test_deferred_deliveries_without_a_time_are_our_own_mistake() -> None:
    """They would wait for ever, and nobody would be told."""
    with pytest.raises(ValueError, match="due time"):
        after_pass(Left(0, 1, None))


@given(lefts, st.none() | moments)
def test_a_released_batch_takes_a_legal_step_and_waits_exactly_when_it_says_until_when(left: Left, rest: datetime | None) -> None:
    """The schema holds `due_at` to the state `waiting`; a batch with work left is never finished."""
    state, due_at = after_pass(left, rest_until=rest)

    assert state in NEXT[State.LEASED]
    assert (due_at is not None) is (state is State.WAITING)
    assert (state is State.FINISHED) is (left.pending == left.deferred == 0)
    assert rest is None or due_at is None or due_at >= rest


@given(tallies, tallies, tallies)
def test_tallies_add_column_by_column(one: Tally, two: Tally, three: Tally) -> None:
    """The order of window transactions does not matter to the sum."""
    assert (one + two) + three == one + (two + three)
    assert one + two == two + one
    assert one + Tally() == one
    assert (one + two).in_doubt == one.in_doubt + two.in_doubt
