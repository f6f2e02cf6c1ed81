"""While there is maintenance nothing is taken up; what is bookkeeping goes on, and the end of it wakes everybody."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from mailq.core.batch import Tally
from mailq.core.mailing import Lane, State
from mailq.engine import maintenance, messages
from mailq.engine.dispatcher import Dispatcher
from mailq.engine.mover import Mover
from mailq.engine.upkeep import Upkeep
from mailq.store import agenda, batches, mailings, ringing, schedule
from mailq.store.agenda import Agenda
from mailq.store.waking import Ear, News
from tests.support.mailings import batch_row, books_of, finish_batch, make_mailing, make_owner, states
from tests.support.workers import QuietDoorbell, hands

ORGANIZATION = 1
AGAIN = timedelta(seconds=15)
BY = {"actor": "ann@web1"}


@pytest.fixture
def doorbell():
    return QuietDoorbell()


@pytest.fixture
def dispatcher(database, doorbell):
    return Dispatcher(database, doorbell)


@pytest.fixture
def upkeep(database, dispatcher):
    return Upkeep(database, dispatcher)


def sql(database, statement):
    with database.begin() as tx:
        return tx.execute(text(statement))


def state_of(database, made):
    with database.begin() as tx:
        return mailings.get(tx, made.id).state


def found_by_the_leader(database):
    with database.begin() as tx:
        return agenda.look(tx, ring_again_after=AGAIN, part_gap=timedelta(minutes=5))


def send(database):
    order = messages.order(to="ann@x.example", subject="Code", sender="shop@x.example", text="42")
    with database.begin() as tx:
        messages.accept(tx, ORGANIZATION, [order])


def num_waiting(database):
    return sql(database, "SELECT count(*) FROM inbox WHERE mailing_id IS NULL").scalar_one()


def test_no_batch_is_claimed(database):
    with database.begin() as tx:
        made, owner = make_mailing(tx, [3]), make_owner(tx)
    maintenance.on(database, **BY)
    with database.begin() as tx:
        assert batches.claim(tx, made.batches[0], owner=owner) is None
    maintenance.off(database, **BY)
    with database.begin() as tx:
        assert batches.claim(tx, made.batches[0], owner=owner) is not None


def test_a_batch_under_way_learns_of_it_at_its_next_commit(database):
    """As of a pause: what was settled stays, and the rest is handed back."""
    with database.begin() as tx:
        made, owner = make_mailing(tx, [3]), make_owner(tx)
        held = batches.claim(tx, made.batches[0], owner=owner)
    maintenance.on(database, **BY)
    with database.begin() as tx:
        told = batches.advance(tx, held, ledger_no=held.ledger_no, watermark=0, tally=Tally())
    assert told is State.PAUSED
    assert state_of(database, made) is State.RUNNING


def test_a_worker_process_hands_back_what_it_holds(database, sink):
    """One whose mails take a while: it begins no further one."""
    with database.begin() as tx:
        made = make_mailing(tx, [200])
    with hands(database, sink.url) as worker:
        worker.executor._progress = lambda _: maintenance.on(database, **BY)
        said = worker.executor.work(made.batches[0])
        assert worker.executor.work(made.batches[0]) == "nothing to claim"
        books = books_of(database, made)
        assert " ready: " in said
        assert 0 < books.num_sent < 200
        worker.executor._progress = lambda _: None
        maintenance.off(database, **BY)
        worker.work_until_idle()
    assert books_of(database, made).num_sent == 200 == len(sink.accepted)


def test_nothing_is_rung_for_and_the_leader_finds_nothing_to_do(database, upkeep, doorbell):
    """Otherwise it would find it at every tick."""
    with database.begin() as tx:
        made = make_mailing(tx, [3])
        scheduled = make_mailing(tx, [3], state=State.SCHEDULED)
    sql(database, f"UPDATE mailing SET scheduled_at = now() WHERE id = {scheduled.id}")
    send(database)
    maintenance.on(database, **BY)

    assert upkeep.tick() == Agenda(upkeep=False, calls=False, notifications=False)
    assert (doorbell.rung, num_waiting(database), state_of(database, scheduled)) == ([], 1, State.SCHEDULED)

    maintenance.off(database, **BY)
    upkeep.tick()
    assert {*made.batches, *scheduled.batches} < {ring.batch_id for ring in doorbell.rung}
    assert (num_waiting(database), state_of(database, scheduled)) == (0, State.RUNNING)


def test_steps_that_are_taken_for_another_reason_take_nothing_up_either(database, dispatcher, doorbell):
    """A worker that has ended a batch tops up, somebody commits a message, and a tick finds an expiry."""
    with database.begin() as tx:
        make_mailing(tx, [3])
        scheduled = make_mailing(tx, [3], state=State.SCHEDULED)
    sql(database, f"UPDATE mailing SET scheduled_at = now() WHERE id = {scheduled.id}")
    send(database)
    maintenance.on(database, **BY)

    assert dispatcher.ring_all() == 0
    assert Mover(database, dispatcher).move() == 0
    with database.begin() as tx:
        assert schedule.start_due(tx) == []


def test_messages_that_are_accepted_cost_no_tick_each(database, dispatcher):
    maintenance.on(database, **BY)
    send(database)
    mover = Mover(database, dispatcher)
    assert not mover.heed()
    maintenance.off(database, **BY)
    assert (mover.heed(), num_waiting(database)) == (False, 0)


def test_what_expires_expires(database, upkeep):
    """A mailing whose hour passed in the meantime is not sent late."""
    with database.begin() as tx:
        running, scheduled = make_mailing(tx, [3]), make_mailing(tx, [3], state=State.SCHEDULED)
    maintenance.on(database, **BY)
    sql(database, "UPDATE mailing SET expires_at = now(), scheduled_at = CASE WHEN state = 'scheduled' THEN now() END")

    upkeep.tick()

    for made in (running, scheduled):
        assert state_of(database, made) is State.EXPIRED
        assert books_of(database, made).num_skipped == 3


def test_a_load_that_is_complete_is_closed(database, upkeep):
    """It is accepted whole, and ready to be sent at the end."""
    with database.begin() as tx:
        made = make_mailing(tx, [3], state=State.LOADING)
    sql(database, "UPDATE mailing SET loaded_at = now()")
    maintenance.on(database, **BY)

    upkeep.tick()

    assert state_of(database, made) is State.RUNNING


def test_a_retry_that_is_due_and_a_mailing_that_is_done_are_booked(database, upkeep):
    with database.begin() as tx:
        owner, waits, done = make_owner(tx), make_mailing(tx, [3]), make_mailing(tx, [3])
        finish_batch(tx, done.batches[0], owner)
    sql(database, f"UPDATE batch SET state = 'waiting', due_at = now() WHERE id = {waits.batches[0]}")
    maintenance.on(database, **BY)

    upkeep.tick()

    with database.begin() as tx:
        assert batch_row(tx, waits.batches[0])["state"] == "ready"
    assert state_of(database, done) is State.FINISHED


def test_the_end_forgets_rings_that_nobody_could_heed_and_wakes_the_leader(database, dispatcher, doorbell):
    """They would pass for rings on the way for 15 seconds."""
    with database.begin() as tx:
        made = make_mailing(tx, [3])
    dispatcher.ring_all()
    ear = Ear(database)
    ear.hears(0)

    maintenance.on(database, **BY)
    assert ear.hears(5) == {News.ALL}
    assert dispatcher.ring_all() == 0
    maintenance.off(database, **BY)

    assert ear.hears(5) == {News.ALL}
    with database.begin() as tx:
        assert ringing.outstanding(tx, Lane.BULK, ring_again_after=AGAIN) == 0
    dispatcher.ring_all()
    assert [ring.batch_id for ring in doorbell.rung] == [made.batches[0]] * 2
    ear.close()


def test_who_begins_it_twice_or_ends_what_is_not_there_changes_nothing_and_wakes_nobody(database):
    first, begun = maintenance.on(database, actor="ann@web1", why="disks")
    ear = Ear(database)
    ear.hears(0)

    assert begun
    assert maintenance.on(database, actor="bob@web2", why="more disks") == (first, False)
    assert (first.by, first.why) == ("ann@web1", "disks")
    assert not ear.hears(0)
    assert maintenance.off(database, **BY) == first
    ear.hears(5)
    assert maintenance.off(database, **BY) is None
    assert not ear.hears(0)
    ear.close()


def test_deliveries_are_where_they_were(database):
    with database.begin() as tx:
        made = make_mailing(tx, [3])
    maintenance.on(database, **BY)
    maintenance.off(database, **BY)
    with database.begin() as tx:
        assert states(tx, made.id) == {1: "pending", 2: "pending", 3: "pending"}
