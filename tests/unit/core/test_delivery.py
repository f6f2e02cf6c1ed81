"""What one finished attempt makes of its delivery."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailq.core.delivery import NEXT, WORKABLE, Change, State, settle
from mailq.core.outcome import Accepted, Deferred, Doubt, Fault, Outcome, Rejected, Reply, Stage, Unknown
from mailq.core.retry import RetryPolicy

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
RETRY = RetryPolicy(first=timedelta(minutes=5), max_attempts=3, max_age=timedelta(hours=1))
TAKEN = Reply(Stage.DOT, 250, "2.0.0 Ok: queued as 4F2B")
GREYLISTED = Reply(Stage.RCPT, 450, "4.2.0 try again later")
NO_SUCH_USER = Reply(Stage.RCPT, 550, "5.1.1 no such user")
CLOSING = Reply(Stage.MAIL, 421, "4.3.2 closing")

replies = st.builds(Reply, st.sampled_from(Stage), st.sampled_from([0, 250, 421, 450, 550]), st.text(max_size=20))
outcomes = st.one_of(
    st.builds(Accepted, replies),
    st.builds(Deferred, replies, st.sampled_from(Fault)),
    st.builds(Rejected, replies, st.sampled_from(Fault)),
    st.builds(Unknown, st.sampled_from(Doubt)),
)


def settled(outcome: Outcome, *, attempt: int = 1, age: timedelta = timedelta(0)) -> Change:
    """The change after an attempt that ended now, of a mailing that began `age` ago."""
    return settle(outcome, attempt=attempt, started_at=NOW - age, now=NOW, retry=RETRY)


def test_an_accepted_message_is_sent_and_keeps_the_relays_words() -> None:
    """The queue id in the reply is what customer service asks the relay's logs for."""
    assert settled(Accepted(TAKEN)) == Change(State.SENT, reply="250 2.0.0 Ok: queued as 4F2B")


def test_a_rejected_message_is_an_error_at_the_first_attempt() -> None:
    """Trying again would not help, and would cost the sender's reputation."""
    assert settled(Rejected(NO_SUCH_USER)) == Change(State.ERROR, reply="550 5.1.1 no such user")


@pytest.mark.parametrize("doubt", Doubt)
def test_an_unanswered_dot_is_in_doubt_with_its_reason(doubt: Doubt) -> None:
    """RFC 1047: neither sent nor not sent; no time is set to try again by itself."""
    assert settled(Unknown(doubt)) == Change(State.IN_DOUBT, doubt=doubt)


def test_a_deferred_message_is_tried_again_after_the_policys_wait() -> None:
    """The first wait follows the first attempt, the second is twice as long."""
    assert settled(Deferred(GREYLISTED)).due_at == NOW + timedelta(minutes=5)
    assert settled(Deferred(GREYLISTED), attempt=2).due_at == NOW + timedelta(minutes=10)
    assert settled(Deferred(GREYLISTED)).state is State.DEFERRED


def test_the_last_attempt_makes_an_error_that_says_what_the_relay_said() -> None:
    """Three attempts are three, not four."""
    assert settled(Deferred(GREYLISTED), attempt=2).state is State.DEFERRED
    assert settled(Deferred(GREYLISTED), attempt=3) == Change(State.ERROR, reply="450 4.2.0 try again later")


def test_a_recipient_whose_next_attempt_would_come_too_late_is_an_error() -> None:
    """The age counts from the beginning of the mailing to the attempt that would follow."""
    assert settled(Deferred(GREYLISTED), age=timedelta(minutes=55)).state is State.DEFERRED
    assert settled(Deferred(GREYLISTED), age=timedelta(minutes=55, seconds=1)).state is State.ERROR


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.RELAY])
def test_every_fault_but_the_relays_spends_an_attempt(fault: Fault) -> None:
    """A recipient, a domain, a content or a policy that says no has been asked once."""
    assert settled(Deferred(GREYLISTED, fault)).attempts == 1


def test_a_relays_fault_never_spends_a_recipients_attempts() -> None:
    """However often it happens: only the age of the mailing ends it."""
    change = settled(Deferred(CLOSING, Fault.RELAY), attempt=3)

    assert (change.state, change.attempts) == (State.DEFERRED, 0)
    assert change.due_at == NOW + timedelta(minutes=5)
    assert settled(Deferred(CLOSING, Fault.RELAY), age=timedelta(hours=1)).state is State.ERROR


@given(outcomes, st.integers(1, 100), st.integers(0, 10_000), st.floats(-1, 1))
def test_whatever_happened_the_change_is_a_legal_step_that_the_schema_takes(
    outcome: Outcome, attempt: int, age_s: int, jitter: float
) -> None:
    """`due_at` exactly when deferred, `doubt` exactly when in doubt, never back to pending, never earlier than now."""
    started_at = NOW - timedelta(seconds=age_s)
    change = settle(outcome, attempt=attempt, started_at=started_at, now=NOW, retry=RETRY, jitter=jitter)

    assert all(change.state in NEXT[before] for before in WORKABLE)
    assert (change.due_at is not None) is (change.state is State.DEFERRED)
    assert (change.doubt is not None) is (change.state is State.IN_DOUBT)
    assert change.due_at is None or change.due_at > NOW
    assert change.attempts in {0, 1}


@given(outcomes)
def test_only_an_accepted_message_is_sent_and_only_an_unanswered_one_in_doubt(outcome: Outcome) -> None:
    """The two states that decide whether somebody is mailed twice."""
    state = settled(outcome).state

    assert (state is State.SENT) is isinstance(outcome, Accepted)
    assert (state is State.IN_DOUBT) is isinstance(outcome, Unknown)


def test_what_is_no_outcome_is_refused() -> None:
    """mypy names a forgotten outcome; at run time nothing is guessed."""
    with pytest.raises(AssertionError):
        settled("250 Ok")  # type: ignore[arg-type]


def test_only_what_has_not_ended_is_worked() -> None:
    """Worklist and open set are made of these states, and every one of them can still become sent."""
    assert {state for state in State if State.SENT in NEXT[state]} - {State.IN_DOUBT} == WORKABLE
