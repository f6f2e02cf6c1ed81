"""What a journal proves about a delivery that had begun, and what nothing proves."""

import pytest

from mailq.core.evidence import by_evidence
from mailq.core.journal import Evidence
from mailq.core.outcome import Accepted, Deferred, Doubt, Rejected, Unknown

REPLIES = {250: Accepted, 451: Deferred, 550: Rejected, 421: Deferred}


@pytest.mark.parametrize(("code", "outcome"), REPLIES.items())
def test_a_reply_on_record_is_what_became_of_it(code, outcome):
    found = by_evidence({1: Evidence(dot_left=True, code=code)}, 1)
    assert isinstance(found, outcome)
    assert str(found.reply) == f"{code} as the journal has it"


def test_a_dot_without_a_reply_on_record_is_doubt():
    assert by_evidence({1: Evidence(dot_left=True)}, 1) == Unknown(Doubt.WORKER_KILLED)


@pytest.mark.parametrize("known", [{}, {2: Evidence(dot_left=True)}, {1: Evidence(dot_left=False)}])
def test_without_a_dot_on_record_it_was_not_sent(known):
    assert by_evidence(known, 1) is None


def test_where_nothing_is_proven_it_is_doubt():
    assert by_evidence(None, 1) == Unknown(Doubt.HOST_LOST)
