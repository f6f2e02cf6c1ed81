"""The relay is away, slow, or breaks off: it is rested, and no recipient pays for it."""

import pytest
from sqlalchemy import func, select

from mailq.core.batch import State
from mailq.store.tables import delivery
from tests.scenarios.ledgers import ledgers_agree
from tests.support.waiting import eventually


def test_a_relay_that_is_down_makes_the_batches_wait_and_spends_no_attempt(submit, start_server, sink, database):
    """The batches wait as wholes; their deliveries are not deferred one by one."""
    sink.stop()
    start_server()
    posted = submit(200, batch_size=100)

    eventually(lambda: {state for _, state in posted.batches()} == {State.WAITING}, within=15)
    books = ledgers_agree(posted, sink)
    assert (books.num_pending, books.num_deferred) == (200, 0)
    assert most_attempts(database, posted) == 0

    sink.start()

    eventually(lambda: posted.finished, within=15)
    assert ledgers_agree(posted, sink).num_sent == 200
    assert most_attempts(database, posted) == 1


@pytest.mark.slow
def test_a_relay_that_restarts_in_the_middle_gets_the_rest_when_it_is_back(submit, start_server, sink, database):
    """Only messages whose dot had left are in doubt: never more than there are sessions."""
    sink.rules("delay=20ms")
    start_server()
    posted = submit(400, batch_size=200)
    eventually(lambda: len(sink.accepted) >= 50)

    sink.stop()
    eventually(lambda: {state for _, state in posted.batches()} == {State.WAITING}, within=15)
    before = ledgers_agree(posted, sink)
    sink.start()

    eventually(lambda: posted.finished, within=20)
    books = ledgers_agree(posted, sink)
    assert books.num_in_doubt == before.num_in_doubt <= 10
    assert books.num_sent + books.num_in_doubt == 400
    assert most_attempts(database, posted) == 1


@pytest.mark.slow
def test_a_relay_that_turns_everybody_away_with_421_is_rested(submit, start_server, sink, database):
    """A greeting of 421 is about the relay, not about the recipient."""
    sink.rules("at=connect tempfail=421 4.3.2 closing down")
    start_server(relay__rest="200ms")
    posted = submit(100, batch_size=50)

    eventually(lambda: {state for _, state in posted.batches()} == {State.WAITING}, within=15)
    assert most_attempts(database, posted) == 0
    sink.rules()

    eventually(lambda: posted.finished, within=15)
    assert ledgers_agree(posted, sink).num_sent == 100


def most_attempts(database, posted):
    """The highest number of attempts that any recipient of a mailing has spent."""
    with database.begin() as tx:
        return tx.execute(select(func.max(delivery.c.attempts)).where(delivery.c.mailing_id == posted.mailing_id)).scalar_one()
