"""Each tick of upkeep finds for itself what there is to do."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from mailq.core.batch import State as Batch
from mailq.core.mailing import Books, State
from mailq.engine import messages, streams
from mailq.engine.dispatcher import Dispatcher
from mailq.engine.upkeep import Upkeep
from mailq.store import agenda, batches, mailings
from tests.support.mailings import batch_row, finish_batch, make_mailing, make_owner
from tests.support.workers import QuietDoorbell


@pytest.fixture
def doorbell():
    return QuietDoorbell()


@pytest.fixture
def upkeep(database, doorbell):
    return Upkeep(database, Dispatcher(database, doorbell))


def sql(database, statement):
    with database.begin() as tx:
        tx.execute(text(statement))


def state_of(database, made):
    with database.begin() as tx:
        return mailings.get(tx, made.id).state


@pytest.fixture
def mailing(database):
    with database.begin() as tx:
        return make_mailing(tx, [3, 3])


def test_ready_batches_are_rung_for(upkeep, doorbell, mailing):
    upkeep.tick()
    assert {ring.batch_id for ring in doorbell.rung} == set(mailing.batches)


def test_a_scheduled_mailing_starts_and_is_rung_for_in_one_tick(database, upkeep, doorbell):
    with database.begin() as tx:
        made = make_mailing(tx, [3], state=State.SCHEDULED)
    sql(database, "UPDATE mailing SET scheduled_at = now() - interval '1 second'")
    upkeep.tick()
    assert state_of(database, made) is State.RUNNING
    assert [ring.batch_id for ring in doorbell.rung] == made.batches


def test_what_waits_is_rung_for_when_it_is_due(database, upkeep, doorbell, mailing):
    with database.begin() as tx:
        owner = make_owner(tx)
        for batch_id in mailing.batches:
            held = batches.claim(tx, batch_id, owner=owner)
            batches.release(tx, held, Batch.WAITING, due_at=held.pass_started_at + timedelta(hours=1))
    upkeep.tick()
    assert doorbell.rung == []
    sql(database, "UPDATE batch SET due_at = now()")
    upkeep.tick()
    assert {ring.batch_id for ring in doorbell.rung} == set(mailing.batches)


def test_a_mailing_past_its_time_ends_and_its_rest_is_skipped(database, upkeep, doorbell, mailing):
    sql(database, "UPDATE mailing SET expires_at = now() - interval '1 second'")
    upkeep.tick()
    assert (state_of(database, mailing), doorbell.rung) == (State.EXPIRED, [])
    with database.begin() as tx:
        assert mailings.books(tx, mailing.id) == Books(num_profiles=6, num_skipped=6)
        assert set(tx.execute(text("SELECT skip FROM delivery")).scalars()) == {"expired"}


def test_a_mailing_that_its_last_worker_could_not_finish_is_finished(database, upkeep, mailing):
    with database.begin() as tx:
        owner = make_owner(tx)
        for batch_id in mailing.batches:
            finish_batch(tx, batch_id, owner)
    upkeep.tick()
    assert state_of(database, mailing) is State.FINISHED


@pytest.fixture
def stream(database):
    """A stream of this month with one message, which has been sent."""
    order = messages.order(to="ann@x.example", subject="Code", sender="shop@x.example", text="42")
    with database.begin() as tx:
        messages.accept(tx, 1, [order])
    streams.move(database)
    with database.begin() as tx:
        [found] = mailings.summaries(tx)
        [batch_id] = tx.execute(text("SELECT id FROM batch")).scalars()
        finish_batch(tx, batch_id, make_owner(tx))
    return found.mailing


def test_an_accepted_message_gets_its_place_and_is_rung_for_in_one_tick(database, upkeep, doorbell):
    with database.begin() as tx:
        order = messages.order(to="ann@x.example", subject="Code", sender="shop@x.example", text="42")
        [taken] = messages.accept(tx, 1, [order])
    upkeep.tick()
    with database.begin() as tx:
        assert messages.find(tx, 1, taken.public_id).state == "pending"
    assert [ring.lane for ring in doorbell.rung] == ["transactional"]


def test_a_stream_is_not_finished_while_its_month_lasts(database, upkeep, stream):
    upkeep.tick()
    assert state_of(database, stream) is State.RUNNING


def test_a_stream_whose_month_is_over_is_finished_when_all_of_it_is_sent(database, upkeep, stream):
    sql(database, "UPDATE mailing SET open_until = now() - interval '1 second'")
    upkeep.tick()
    assert state_of(database, stream) is State.FINISHED


def test_an_idle_stream_gives_the_upkeep_nothing_to_do(database, upkeep, stream):
    with database.begin() as tx:
        assert not any(agenda.look(tx, ring_again_after=timedelta(seconds=15), part_gap=timedelta(minutes=5)))


def test_two_leaders_do_no_harm(database, upkeep, doorbell, mailing):
    upkeep.tick()
    Upkeep(database, Dispatcher(database, doorbell)).tick()
    assert sorted(ring.batch_id for ring in doorbell.rung) == mailing.batches


def test_a_step_that_fails_leaves_the_others_their_turn(database, upkeep, doorbell, mailing, caplog):
    sql(database, "ALTER TABLE mailing RENAME COLUMN scheduled_at TO renamed")
    upkeep.tick()
    with database.begin() as tx:
        assert batch_row(tx, mailing.batches[0])["rung_at"] is not None
    assert doorbell.rung
    assert "_start_scheduled" in caplog.text
