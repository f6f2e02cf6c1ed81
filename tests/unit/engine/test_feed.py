"""What a pass notes about its dots: before each of them, of every reply, and of every try that came to nothing."""

import pytest

from mailq.core.delivery import State
from mailq.core.journal import Mark
from mailq.core.outcome import Accepted, Doubt, Fault, Rejected, Reply, Stage, Unknown
from mailq.engine.dots import Dots
from mailq.engine.feed import WindowFeed
from mailq.store.deliveries import Work
from mailq.transports.journal import JournalFile
from tests.support.disk import full_journal
from tests.support.feeds import letter

S, A, R = Mark.STARTED, Mark.ABANDONED, Mark.REPLIED
OK = Accepted(Reply(Stage.DOT, 250, "ok"))


class Desk:
    """A feed on a real journal, whose lease a test can take away."""

    def __init__(self, directory):
        self.journal = JournalFile.create(directory, database="d" * 36, incarnation=1)
        self.holds = True
        self.noted_when_asked = []
        self.feed = WindowFeed(lambda work: letter(work.seq), self._lease_holds, Dots(self.journal, 7, 3))
        self.feed.begin(Work(seq, "a@example.org", {}, 0, State.PENDING) for seq in (1, 2))

    def _lease_holds(self):
        self.noted_when_asked.append(self.noted)
        return self.holds

    @property
    def noted(self):
        return [(one.mark, one.seq, one.attempt, one.code) for one in self.journal.records()]


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def test_a_dot_is_noted_first_and_then_the_lease_is_asked_for(desk):
    first = desk.feed.take_now()
    assert desk.feed.may_dot(first)
    assert desk.noted_when_asked == [[(S, 1, 1, 0)]]


def test_a_dot_that_the_lease_no_longer_allows_is_noted_as_not_sent(desk):
    first, desk.holds = desk.feed.take_now(), False
    assert not desk.feed.may_dot(first)
    desk.feed.give_back(first)
    assert desk.noted == [(S, 1, 1, 0), (A, 1, 1, 0)]
    assert desk.feed.lease_ran_out
    assert desk.feed.ended


@pytest.mark.parametrize(
    ("outcome", "code"), [(OK, 250), (Rejected(Reply(Stage.DOT, 554, "no"), Fault.CONTENT), 554)], ids=["accepted", "rejected"]
)
def test_the_reply_to_a_dot_is_noted(desk, outcome, code):
    first = desk.feed.take_now()
    desk.feed.may_dot(first)
    desk.feed.report(first, outcome)
    assert desk.noted == [(S, 1, 1, 0), (R, 1, 1, code)]


def test_a_dot_without_a_reply_stays_as_it_is(desk):
    first = desk.feed.take_now()
    desk.feed.may_dot(first)
    desk.feed.report(first, Unknown(Doubt.TIMEOUT))
    assert desk.noted == [(S, 1, 1, 0)]


def test_a_letter_refused_before_its_dot_is_not_noted(desk):
    desk.feed.report(desk.feed.take_now(), Rejected(Reply(Stage.RCPT, 550, "no")))
    assert desk.noted == []


def test_a_letter_given_back_after_its_dot_counts_its_next_dot_as_another_try(desk):
    first = desk.feed.take_now()
    desk.feed.may_dot(first)
    desk.feed.give_back(first)
    assert desk.feed.take_now().seq == 1
    assert desk.feed.may_dot(first)
    desk.feed.report(first, OK)
    assert desk.noted == [(S, 1, 1, 0), (A, 1, 1, 0), (S, 1, 2, 0), (R, 1, 2, 250)]


def test_once_a_note_fails_no_dot_leaves_and_no_session_hears_of_the_error(desk):
    first, second = desk.feed.take_now(), desk.feed.take_now()
    assert desk.feed.may_dot(first)
    with full_journal(desk.journal):
        desk.feed.report(first, OK)
        assert not desk.feed.may_dot(second)
        desk.feed.give_back(second)
    assert isinstance(desk.feed.journal_error, OSError)
    assert [work.seq for work, _ in desk.feed.drain()] == [1]
    assert desk.feed.ended
