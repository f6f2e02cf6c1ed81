"""When a deferred delivery is tried again."""

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mailq.core.retry import RetryPolicy

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)

policies = st.builds(
    RetryPolicy,
    first=st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(hours=1)),
    factor=st.floats(1.0, 10.0),
    longest=st.timedeltas(min_value=timedelta(hours=1), max_value=timedelta(days=1)),
    max_attempts=st.integers(1, 50),
    max_age=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=10)),
    jitter=st.floats(0.0, 0.5),
)
attempts = st.integers(0, 10_000)
dice = st.floats(-1, 1)
ages = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=20))


def test_the_default_waits_double_from_five_minutes_to_four_hours() -> None:
    """The table a person would draw up."""
    waits = [RetryPolicy().wait(attempt) for attempt in range(1, 9)]

    assert waits == [*(timedelta(minutes=5 * 2**n) for n in range(6)), timedelta(hours=4), timedelta(hours=4)]


def test_a_relay_that_was_at_fault_is_asked_again_as_after_a_first_attempt() -> None:
    """Attempt 0: no attempt was spent."""
    assert RetryPolicy().wait(0) == RetryPolicy().wait(1)


@given(policies)
def test_waits_never_shrink_and_never_pass_the_longest(policy: RetryPolicy) -> None:
    """Without jitter; also far beyond the attempts anybody makes, where the power would overflow."""
    waits = [policy.wait(attempt) for attempt in [*range(60), 1000, 10**9]]

    assert waits[0] == policy.first
    assert all(before <= after for before, after in pairwise(waits))
    assert waits[-1] <= policy.longest


@given(policies, attempts, dice)
def test_jitter_moves_a_wait_by_no_more_than_its_share(policy: RetryPolicy, attempt: int, jitter: float) -> None:
    """So a thousand deferred at once do not come back at once."""
    plain = policy.wait(attempt)
    allowance = plain * policy.jitter + timedelta(microseconds=2)

    assert abs(policy.wait(attempt, jitter=jitter) - plain) <= allowance
    assert policy.wait(attempt, jitter=jitter) > timedelta(0)


@given(policies, attempts, dice, ages)
def test_the_next_attempt_is_within_the_limits_or_there_is_none(
    policy: RetryPolicy, attempt: int, jitter: float, age: timedelta
) -> None:
    """Attempts and age each end it by themselves, and nothing else does."""
    started_at = NOW - age
    due_at = policy.next_attempt_at(NOW, attempt=attempt, started_at=started_at, jitter=jitter)
    wanted = NOW + policy.wait(attempt, jitter=jitter)

    assert due_at == (wanted if attempt < policy.max_attempts and wanted - started_at <= policy.max_age else None)
    assert due_at is None or due_at > NOW


@given(policies, st.integers())
def test_a_recipient_that_is_always_deferred_comes_to_an_end(policy: RetryPolicy, seed: int) -> None:
    """Whatever the dice say: at most `max_attempts` attempts, all within `max_age`."""
    rolled, now, attempt = random.Random(seed), NOW, 1
    while due_at := policy.next_attempt_at(now, attempt=attempt, started_at=NOW, jitter=rolled.uniform(-1, 1)):
        now, attempt = due_at, attempt + 1

    assert attempt <= policy.max_attempts
    assert now - NOW <= policy.max_age
