"""What may become of a delivery in doubt: by whom, and what is refused."""

import pytest

from mailq.core.delivery import NEXT
from mailq.core.delivery import State as Delivery
from mailq.core.in_doubt import AFTER, MEANING, Verdict, by_policy, refusal
from mailq.core.mailing import DoubtPolicy, State
from mailq.core.outcome import Doubt

DOT_ON_RECORD = [reason for reason in Doubt if reason is not Doubt.HOST_LOST]
OPEN = [State.RUNNING, State.PAUSED, State.FINISHED]
ENDED_EARLY = [State.CANCELLED, State.EXPIRED]


def test_every_verdict_leads_where_a_delivery_in_doubt_may_go() -> None:
    assert set(AFTER) == set(Verdict)
    assert set(AFTER.values()) <= NEXT[Delivery.IN_DOUBT]


def test_every_reason_is_explained() -> None:
    assert set(MEANING) == set(Doubt)


@pytest.mark.parametrize("reason", Doubt)
@pytest.mark.parametrize("state", State)
def test_hold_leaves_every_doubt_to_evidence_or_a_person(reason: Doubt, state: State) -> None:
    assert by_policy(DoubtPolicy.HOLD, reason, state) is None


@pytest.mark.parametrize("reason", Doubt)
@pytest.mark.parametrize("state", OPEN)
def test_resend_sends_every_doubt_again(reason: Doubt, state: State) -> None:
    assert by_policy(DoubtPolicy.RESEND, reason, state) is Verdict.RESEND


@pytest.mark.parametrize("state", ENDED_EARLY)
def test_nothing_of_a_mailing_that_ended_early_is_sent_again(state: State) -> None:
    assert by_policy(DoubtPolicy.RESEND, Doubt.TIMEOUT, state) is None
    assert f"is {state}" in str(refusal(Verdict.RESEND, state))


def test_nothing_is_sent_again_after_the_mailing_s_expiry() -> None:
    """It would run again, expire at the next tick, and what was to be sent would be skipped."""
    assert by_policy(DoubtPolicy.RESEND, Doubt.TIMEOUT, State.FINISHED, past_its_time=True) is None
    assert "past its expiry" in str(refusal(Verdict.RESEND, State.FINISHED, past_its_time=True))


@pytest.mark.parametrize("reason", DOT_ON_RECORD)
def test_assume_sent_takes_for_sent_what_has_its_dot_on_record(reason: Doubt) -> None:
    assert by_policy(DoubtPolicy.ASSUME_SENT, reason, State.RUNNING) is Verdict.SENT


def test_assume_sent_does_not_take_for_sent_what_a_lost_host_may_never_have_begun() -> None:
    assert by_policy(DoubtPolicy.ASSUME_SENT, Doubt.HOST_LOST, State.RUNNING) is None


@pytest.mark.parametrize("verdict", [Verdict.SENT, Verdict.ERROR])
@pytest.mark.parametrize("state", [*OPEN, *ENDED_EARLY])
def test_a_doubt_can_always_be_counted_as_sent_or_not(verdict: Verdict, state: State) -> None:
    assert refusal(verdict, state, past_its_time=True) is None
