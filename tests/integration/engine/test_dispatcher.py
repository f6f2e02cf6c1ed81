"""Rings are dosed, fair, and worth nothing: losing or repeating one costs time, never mail."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from mailq.core.mailing import Lane
from mailq.engine import steering
from mailq.engine.dispatcher import Dispatcher, RingPolicy
from mailq.errors import Unavailable
from mailq.store import batches
from mailq.store.joined import Joined
from tests.support.mailings import make_mailing, make_owner
from tests.support.workers import QuietDoorbell


class DeadDoorbell(QuietDoorbell):
    """A broker that does not answer."""

    def ring(self, rings):
        raise Unavailable("broker redis://nowhere is away")

    def generation(self):
        raise Unavailable("broker redis://nowhere is away")


@pytest.fixture
def doorbell():
    return QuietDoorbell()


@pytest.fixture
def dispatcher(database, doorbell):
    return Dispatcher(database, doorbell)


def make(database, *arguments, **options):
    with database.begin() as tx:
        return make_mailing(tx, *arguments, **options)


def serve(database, **slots):
    with database.begin() as tx:
        make_owner(tx, slots=slots)


def test_twice_the_slots_of_a_lane_are_on_the_way_and_no_more(database, dispatcher, doorbell):
    make(database, [1] * 20)
    serve(database, bulk=3)
    assert (dispatcher.top_up(Lane.BULK), dispatcher.top_up(Lane.BULK)) == (6, 0)
    assert len({ring.batch_id for ring in doorbell.rung}) == 6


def test_a_lane_that_nobody_serves_gets_a_few_rings_for_whoever_comes_first(database, dispatcher):
    make(database, [1] * 20)
    assert dispatcher.top_up(Lane.BULK) == 2


def test_every_lane_has_its_own_room(database, dispatcher, doorbell):
    for lane in Lane:
        make(database, [1] * 5, lane=lane)
    serve(database, bulk=1, normal=2, transactional=1)
    assert dispatcher.ring_all() == 2 + 4 + 2
    assert [ring.lane for ring in doorbell.rung].count(Lane.NORMAL) == 4


def test_a_broker_that_is_away_is_no_error_and_is_rung_later(database, doorbell):
    made = make(database, [1])
    away = Dispatcher(database, DeadDoorbell(), RingPolicy(ring_again_after=timedelta(0)))
    assert away.ring_all() == 0
    assert away.heed_a_flush() is False
    later = Dispatcher(database, doorbell, RingPolicy(ring_again_after=timedelta(0)))
    assert later.ring_all() == 1
    assert doorbell.rung[0].batch_id == made.batches[0]


def test_a_flushed_broker_is_rung_again_at_once(database, dispatcher, doorbell):
    made = make(database, [1])
    dispatcher.heed_a_flush()
    assert (dispatcher.ring_all(), dispatcher.heed_a_flush(), dispatcher.ring_all()) == (1, False, 0)
    doorbell.life = "second"
    assert (dispatcher.heed_a_flush(), dispatcher.ring_all()) == (True, 1)
    assert [ring.batch_id for ring in doorbell.rung] == made.batches * 2


def test_a_ring_says_whose_it_is_and_which_of_how_many(database, dispatcher, doorbell):
    make(database, [1, 1, 1])
    serve(database, bulk=2)
    dispatcher.ring_all()
    assert [ring.label for ring in doorbell.rung] == [f"mailing='Spring sale' batch={number}/3" for number in (1, 2, 3)]


def test_ringing_ten_thousand_batches_reads_the_index_and_not_the_table(database):
    made = make(database, [1] * 2000)
    with database.begin() as tx:
        tx.execute(text("ANALYZE batch"))
        plan = tx.execute(
            text("EXPLAIN SELECT id FROM batch WHERE mailing_id = :id AND state = 'ready' ORDER BY number LIMIT 4"),
            {"id": made.id},
        )
        assert "batch_ready_idx" in "\n".join(plan.scalars())


def test_a_producer_who_cancels_and_does_not_commit_keeps_no_other_mailing_waiting(database, dispatcher, doorbell):
    cancelled, other, due = make(database, [1]), make(database, [1]), make(database, [1])
    with database.begin() as tx:
        waiting = [cancelled.batches[0], due.batches[0]]
        tx.execute(text("UPDATE batch SET state = 'waiting', due_at = now() WHERE id = ANY(:ids)"), {"ids": waiting})
    with database.begin() as theirs:
        steering.cancel(Joined(theirs), cancelled.public_id)
        with database.begin() as tx:
            tx.execute(text("SET LOCAL statement_timeout = '2s'"))
            assert batches.wake_due(tx) == 1
        assert dispatcher.top_up(Lane.BULK) == 2
    assert {ring.batch_id for ring in doorbell.rung} == {other.batches[0], due.batches[0]}
