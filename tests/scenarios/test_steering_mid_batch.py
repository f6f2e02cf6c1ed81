"""Pause, resume and cancel in the middle of a batch: the worker learns of it at its next commit, at the latest after a beat."""

from datetime import UTC, datetime, timedelta

import pytest

from mailq.core.batch import State
from mailq.core.mailing import State as MailingState
from mailq.engine import steering
from tests.scenarios.ledgers import ledgers_agree
from tests.scenarios.looking import num_unanswered_dots
from tests.support.waiting import eventually

DELAY = timedelta(milliseconds=50)
EFFECT_WITHIN = timedelta(seconds=2)


def test_a_pause_takes_effect_within_two_seconds_and_resume_goes_on(submit, start_server, sink, database, dispatcher):
    """What is on the wire is settled, the batches are handed back, and nobody claims them until somebody resumes."""
    posted = under_way(submit, start_server, sink)

    steering.pause(database, posted.public_id)
    paused_at = datetime.now(UTC)

    eventually(lambda: leased(posted) == 0)
    books = ledgers_agree(posted, sink)
    assert {state for _, state in posted.batches()} == {State.READY}
    assert books.num_in_doubt == 0
    assert 0 < books.num_sent < 400
    assert last_accepted(sink) <= paused_at + EFFECT_WITHIN + DELAY

    steering.resume(database, posted.public_id)
    dispatcher.ring_all()

    sink.rules()
    eventually(lambda: posted.finished, within=20)
    assert ledgers_agree(posted, sink).num_sent == 400


@pytest.mark.slow
def test_a_pause_waits_for_the_replies_on_their_way_and_begins_nothing_more(submit, start_server, sink, database):
    """A relay that takes seconds to answer: its answers are settled, so the pause costs no doubt."""
    sink.rules("delay=3s")
    start_server()
    posted = submit(400, batch_size=200)
    eventually(lambda: num_unanswered_dots(sink) >= 5)

    steering.pause(database, posted.public_id)

    eventually(lambda: leased(posted) == 0, within=15)
    books = ledgers_agree(posted, sink)
    assert books.num_in_doubt == 0
    # Of two processes with five sessions each: one message a session, and what was pipelined right behind it.
    assert 0 < books.num_sent <= 2 * 2 * 5


def test_a_cancel_takes_effect_within_two_seconds_and_skips_the_rest(submit, start_server, sink, database):
    """What was accepted counts as sent; whatever had not begun is skipped as cancelled."""
    posted = under_way(submit, start_server, sink)

    steering.cancel(database, posted.public_id)
    cancelled_at = datetime.now(UTC)

    eventually(lambda: leased(posted) == 0)
    assert posted.state is MailingState.CANCELLED
    assert {state for _, state in posted.batches()} == {State.CANCELLED}
    books = ledgers_agree(posted, sink)
    assert (books.num_pending, books.num_deferred, books.num_in_doubt) == (0, 0, 0)
    assert books.num_sent > 0
    assert books.num_skipped > 0
    assert last_accepted(sink) <= cancelled_at + EFFECT_WITHIN + DELAY


def under_way(submit, start_server, sink):
    """A mailing of two batches in the middle of both."""
    sink.rules("delay=50ms")
    start_server()
    posted = submit(400, batch_size=200)
    eventually(lambda: leased(posted) == 2 and len(sink.accepted) >= 30)
    return posted


def leased(posted):
    """How many batches somebody holds."""
    return [state for _, state in posted.batches()].count(State.LEASED)


def last_accepted(sink):
    """When the sink took its last mail."""
    return max(mail.at for mail in sink.accepted)
