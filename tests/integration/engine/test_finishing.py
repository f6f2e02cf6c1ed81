"""A mailing cannot become finished while its books and its deliveries differ."""

import pytest
from sqlalchemy import text

from mailq.core.batch import State as Batch
from mailq.core.mailing import State
from mailq.engine import aftermath
from mailq.engine.dispatcher import Dispatcher
from mailq.engine.upkeep import Upkeep
from mailq.errors import BooksDiffer
from mailq.store import endings, mailings, schedule
from tests.support.mailings import finish_batch, make_mailing, make_owner
from tests.support.workers import QuietDoorbell


@pytest.fixture
def made(database):
    """Every delivery is sent and every batch is done; the mailing is about to finish."""
    with database.begin() as tx:
        made, owner = make_mailing(tx, [3, 3]), make_owner(tx)
        for batch_id in made.batches:
            finish_batch(tx, batch_id, owner)
    return made


@pytest.fixture
def now_s():
    """What the leader's clock says; move it."""
    return [1000.0]


@pytest.fixture
def leader(database, now_s):
    return Upkeep(database, Dispatcher(database, QuietDoorbell()), monotonic=lambda: now_s[0])


def state(database, made):
    with database.begin() as tx:
        return mailings.get(tx, made.id).state


def doctor(database, statement):
    with database.begin() as tx:
        tx.execute(text(statement))


DOCTORED = [
    pytest.param("UPDATE batch SET num_sent = 2, num_errors = 1 WHERE number = 2", id="a counter that still balances"),
    pytest.param("UPDATE delivery SET state = 'pending' WHERE seq = 5", id="a delivery that was not sent"),
    pytest.param("DELETE FROM delivery WHERE seq = 5", id="a delivery that is gone"),
    pytest.param("UPDATE delivery SET batch_id = 0 WHERE seq = 5", id="a delivery of no batch"),
]


@pytest.mark.parametrize("statement", DOCTORED)
def test_whoever_finishes_the_last_batch_refuses_and_raises_the_alarm(database, made, statement, caplog):
    doctor(database, statement)

    assert not aftermath.finish_mailing(database, made.id, Batch.FINISHED)

    assert state(database, made) is State.RUNNING
    assert "mailing.books_differ" in caplog.text


def test_the_refusal_names_the_batch(database, made):
    doctor(database, "UPDATE batch SET num_sent = 2, num_errors = 1 WHERE number = 2")

    with database.begin() as tx, pytest.raises(BooksDiffer, match="the counters of batch 2 are not what its deliveries say"):
        endings.finish_mailing(tx, made.id)


def test_the_leader_refuses_too_and_counts_again_later(database, made, leader, now_s):
    """Not at every tick: the mailing may be large. Once the books are right it finishes."""
    doctor(database, "UPDATE batch SET num_sent = 2, num_errors = 1 WHERE number = 2")
    leader.tick()
    doctor(database, "UPDATE batch SET num_sent = 3, num_errors = 0 WHERE number = 2")

    leader.tick()
    assert state(database, made) is State.RUNNING
    now_s[0] += 60
    leader.tick()

    assert state(database, made) is State.FINISHED


def test_a_mailing_that_a_producer_has_locked_is_finished_when_he_is_done(database, made, leader):
    """No worker waits for him: the leader finds it."""
    with database.engine.connect() as theirs, theirs.begin():
        theirs.execute(text("SELECT FROM mailing FOR UPDATE"))
        with database.begin() as tx:
            tx.execute(text("SET LOCAL statement_timeout = '2s'"))
            assert not endings.finish_mailing(tx, made.id)
    leader.tick()
    assert state(database, made) is State.FINISHED


@pytest.mark.parametrize(
    ("begins", "column", "step"),
    [("scheduled", "scheduled_at", schedule.start_due), ("running", "expires_at", schedule.expire_due)],
)
def test_a_mailing_that_a_producer_has_locked_keeps_no_other_from_starting_or_ending(database, begins, column, step):
    """It follows when he is done."""
    with database.begin() as tx:
        locked, other = make_mailing(tx, [1], state=State(begins)), make_mailing(tx, [1], state=State(begins))
    doctor(database, f"UPDATE mailing SET {column} = now() - interval '1 second'")
    with database.engine.connect() as theirs, theirs.begin():
        theirs.execute(text("SELECT FROM mailing WHERE id = :id FOR UPDATE"), {"id": locked.id})
        with database.begin() as tx:
            tx.execute(text("SET LOCAL statement_timeout = '2s'"))
            assert step(tx) == [other.id]
    with database.begin() as tx:
        assert step(tx) == [locked.id]


def test_books_that_are_right_finish_at_once(database, made):
    assert aftermath.finish_mailing(database, made.id, Batch.FINISHED)
    assert state(database, made) is State.FINISHED
