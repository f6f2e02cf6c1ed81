"""Old months go whole, unless something in them is still to be done or in doubt; nothing else is touched."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from mailq.core.mailing import State, month_of
from mailq.engine import messages, pruning, streams
from mailq.engine.dispatcher import Dispatcher
from mailq.engine.upkeep import Upkeep
from mailq.errors import Conflict, NotFound
from mailq.store import batches, exports, mailings, partitions
from mailq.store import pruning as store
from mailq.store.database import moment
from tests.support.mailings import finish_batch, make_mailing, make_owner
from tests.support.workers import QuietDoorbell

EVERYTHING = 10**6
"""A month so far away that all others are older."""


@pytest.fixture
def past(database):
    """A moment two months ago."""
    with database.begin() as tx:
        return moment(tx).replace(day=15) - timedelta(days=60)


@pytest.fixture
def old(database, past):
    """A mailing of two months ago that was sent and has finished."""
    return make_finished(database, past)


def make_finished(database, at):
    with database.begin() as tx:
        made, owner = make_mailing(tx, [3, 3], now=at), make_owner(tx)
        for batch_id in made.batches:
            finish_batch(tx, batch_id, owner)
        mailings.step(tx, made.id, State.FINISHED)
    return made


def sql(database, statement, **facts):
    with database.begin() as tx:
        return tx.execute(text(statement), facts)


def count(database, table):
    return sql(database, f"SELECT count(*) FROM {table}").scalar_one()


def partition_of(database, at):
    name = partitions.name_of(month_of(at))
    return sql(database, "SELECT to_regclass(:name)", name=name).scalar_one()


def prune(database, before=EVERYTHING):
    return pruning.prune(database, before=before, actor="tester@here")


def test_a_month_goes_with_its_mailings_batches_and_deliveries(database, old, past):
    dropped = prune(database)
    assert [(month.num_mailings, month.num_profiles) for month in dropped] == [(1, 6)]
    assert partition_of(database, past) is None
    assert [count(database, table) for table in ("mailing", "batch", "delivery")] == [0, 0, 0]


def test_what_is_known_of_its_messages_goes_with_a_month_and_their_keys_are_free(database, past):
    made, old = make_message(database), make_finished(database, past)
    sql(database, "UPDATE inbox SET mailing_id = :old", old=old.id)
    assert len(prune(database)) == 1
    assert count(database, "inbox") == 0
    assert make_message(database).public_id != made.public_id


def test_what_is_known_of_its_messages_goes_with_a_single_mailing(database, old):
    make_message(database)
    sql(database, "UPDATE inbox SET mailing_id = :old", old=old.id)
    pruning.forget(database, old.public_id, actor="tester@here")
    assert count(database, "inbox") == 0


def make_message(database, key="k"):
    """A message with its place in a stream."""
    with database.begin() as tx:
        order = messages.order(to="ann@x.example", subject="Code", sender="shop@x.example", text="42", key=key)
        [taken] = messages.accept(tx, 1, [order])
    streams.move(database)
    return taken


def test_who_pruned_what_is_noted(database, old, past):
    prune(database)
    noted = sql(database, "SELECT actor, action, details FROM audit").one()
    assert (noted.actor, noted.action) == ("tester@here", "month.prune")
    assert noted.details == {"month": f"{past:%Y-%m}", "num_mailings": 1, "num_profiles": 6}


def test_younger_months_and_the_present_one_stay(database, old, past):
    with database.begin() as tx:
        this = make_mailing(tx, [2])
    assert prune(database, month_of(past)) == []
    assert len(prune(database)) == 1
    with database.begin() as tx:
        assert mailings.get(tx, this.id).public_id == this.public_id
        assert len(exports.history(tx, "r1@example.org")) == 1


def test_the_present_month_is_never_old_enough(database):
    with database.begin() as tx:
        now = moment(tx)
    make_finished(database, now)
    assert prune(database) == []
    assert partition_of(database, now) is not None


@pytest.mark.parametrize("state", [State.LOADING, State.SCHEDULED, State.RUNNING, State.PAUSED])
def test_a_mailing_that_has_not_ended_keeps_its_month(database, old, past, state):
    with database.begin() as tx:
        make_mailing(tx, [2], state=state, now=past)
    assert prune(database) == []
    assert pruning.look(database, before=EVERYTHING)[0].kept_because == "1 of its mailings have not ended"
    assert count(database, "delivery") == 8


def test_a_cancelled_mailing_whose_batch_somebody_still_holds_keeps_its_month(database, past):
    with database.begin() as tx:
        made, owner = make_mailing(tx, [2], now=past), make_owner(tx)
        assert batches.claim(tx, made.batches[0], owner=owner) is not None
        mailings.step(tx, made.id, State.CANCELLED)
    assert prune(database) == []


def test_a_delivery_in_doubt_keeps_its_month_and_is_logged(database, old, caplog):
    make_doubtful(database, old)
    assert prune(database) == []
    assert "prune.month_kept" in caplog.text
    assert pruning.look(database, before=EVERYTHING)[0].kept_because == "1 of its deliveries are in doubt"
    assert count(database, "delivery") == 6


def make_doubtful(database, made):
    sql(database, "UPDATE delivery SET state = 'in_doubt', doubt = 'timeout' WHERE mailing_id = :id AND seq = 1", id=made.id)
    counters = "UPDATE batch SET num_sent = num_sent - 1, num_in_doubt = 1 WHERE id = :id"
    sql(database, counters, id=made.batches[0])


def test_a_mailing_that_was_opened_again_meanwhile_is_refused_whole(database, old, past):
    """The look said that all had ended; under the lock one has not."""
    other = make_finished(database, past)
    with database.begin() as tx:
        mailings.step(tx, other.id, State.RUNNING)
    with pytest.raises(Conflict, match=other.public_id), database.begin() as tx:
        store.delete_mailings(tx, month_of(past), limit=10)
    assert count(database, "batch") == 4


def test_what_another_leader_is_deleting_is_left_to_him(database, old, past):
    other = make_finished(database, past)
    with database.begin() as rival:
        mailings.get(rival, other.id, lock=True)
        assert prune(database) == []
    assert [count(database, table) for table in ("mailing", "batch")] == [1, 2]
    assert partition_of(database, past) is not None
    assert len(prune(database)) == 1


def test_a_month_that_another_leader_has_dropped_is_no_mistake(database, old, past):
    seen = pruning.look(database, before=EVERYTHING)
    prune(database)
    with database.begin() as tx:
        assert store.drop(tx, seen[0].number)


def test_nobody_waits_behind_a_reader_of_deliveries(database, old, past):
    """An export holds the table; all sending would queue behind a drop that waits for it."""
    with database.begin() as reader:
        reader.execute(text("SELECT count(*) FROM delivery"))
        with pytest.raises(Conflict, match="somebody reads deliveries"):
            prune(database)
        assert count(database, "mailing") == 0
    assert partition_of(database, past) is not None
    assert [month.num_mailings for month in prune(database)] == [0]
    assert partition_of(database, past) is None


def test_a_partition_that_was_pruned_can_be_made_again(database, old, past):
    prune(database)
    make_finished(database, past)
    assert count(database, "delivery") == 6


def test_one_mailing_is_deleted_without_its_month(database, old, past):
    other = make_finished(database, past)
    pruning.forget(database, old.public_id, actor="tester@here")
    with database.begin() as tx:
        assert mailings.books(tx, other.id).num_sent == 6
        with pytest.raises(NotFound):
            mailings.get(tx, old.id)
    assert [count(database, table) for table in ("batch", "delivery")] == [2, 6]


def test_one_mailing_that_has_not_ended_is_refused(database):
    with database.begin() as tx:
        made = make_mailing(tx, [3])
    with pytest.raises(Conflict, match="running"):
        pruning.forget(database, made.public_id, actor="tester@here")


def test_one_mailing_with_doubts_is_refused(database, old):
    make_doubtful(database, old)
    with pytest.raises(Conflict, match="in doubt"):
        pruning.forget(database, old.public_id, actor="tester@here")
    assert count(database, "delivery") == 6


@pytest.mark.parametrize(("keep", "left"), [(None, 6), (2, 6), (1, 0)])
def test_upkeep_prunes_what_is_older_than_it_is_told_to_keep(database, old, caplog, keep, left):
    Upkeep(database, Dispatcher(database, QuietDoorbell()), keep_months=keep).tick()
    assert count(database, "delivery") == left
    assert "step_failed" not in caplog.text


def test_upkeep_does_not_stand_in_the_way_of_sending_at_every_tick_while_somebody_reads(database, old, past, caplog):
    """A drop that waits for a reader has all sending wait behind it: half a second an hour is enough."""
    upkeep = Upkeep(database, Dispatcher(database, QuietDoorbell()), keep_months=1)
    with database.begin() as reader:
        reader.execute(text("SELECT count(*) FROM delivery"))
        for _ in range(3):
            upkeep.tick()
    assert caplog.text.count("somebody reads deliveries") == 1
    assert partition_of(database, past) is not None
