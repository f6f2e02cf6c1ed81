"""A mailing that is noted as complete is sealed by the leader: skipped is who must be, and the rest is sent."""

import pytest
from sqlalchemy import text

from mailq.core.mailing import Books, Lane, State
from mailq.core.suppression import Reason
from mailq.engine import producer, sealing, steering
from mailq.engine.dispatcher import Dispatcher
from mailq.engine.intake import open_source
from mailq.engine.upkeep import Upkeep
from mailq.errors import Conflict
from mailq.store import mailings, suppressions
from tests.support.mailings import make_mailing, recount
from tests.support.workers import QuietDoorbell

ORGANIZATION = 1


@pytest.fixture
def doorbell():
    return QuietDoorbell()


@pytest.fixture
def upkeep(database, doorbell):
    return Upkeep(database, Dispatcher(database, doorbell))


def complete(database, addresses, *, is_complete=True, **columns):
    """A mailing with these recipients, whose producer has said that they are all."""
    with database.begin() as tx:
        made = make_mailing(tx, [len(addresses)], state=State.LOADING, lane=columns.pop("lane", Lane.BULK))
        for seq, address in enumerate(addresses, 1):
            named = {"id": made.id, "seq": seq, "address": address}
            tx.execute(text("UPDATE delivery SET address = :address WHERE mailing_id = :id AND seq = :seq"), named)
        values = {"num_loaded": len(addresses), **columns}
        if is_complete:
            values["loaded_at"] = "2026-11-22T00:00:00Z"
        tx.execute(
            text(f"UPDATE mailing SET {', '.join(f'{name} = :{name}' for name in values)} WHERE id = :id"),
            {"id": made.id, **values},
        )
    return made


def summary(database, made):
    with database.begin() as tx:
        found = mailings.summary(tx, made.id)
        assert found.books == recount(tx, made.id)
    return found.mailing.state, found.books


def test_it_is_started_and_rung_for_in_one_tick(database, upkeep, doorbell):
    made = complete(database, ["a@x.example", "b@x.example", "A@x.example"])
    upkeep.tick()
    assert summary(database, made) == (State.RUNNING, Books(num_profiles=3, num_pending=2, num_skipped=1))
    assert [ring.batch_id for ring in doorbell.rung] == made.batches


def test_one_that_is_still_filled_is_left_alone(database, upkeep):
    made = complete(database, ["a@x.example"], is_complete=False)
    upkeep.tick()
    assert summary(database, made)[0] is State.LOADING


def test_one_whose_addresses_may_repeat_sends_to_each_as_often_as_it_stands_there(database, upkeep):
    made = complete(database, ["a@x.example", "A@x.example"], repeats=True)
    upkeep.tick()
    assert summary(database, made)[1].num_pending == 2


def test_one_for_later_waits_for_its_time(database, upkeep, doorbell):
    made = complete(database, ["a@x.example"], scheduled_at="2999-01-01T00:00:00Z")
    upkeep.tick()
    assert (summary(database, made)[0], doorbell.rung) == (State.SCHEDULED, [])


def test_one_past_its_time_expires_and_nobody_gets_it(database, upkeep, doorbell):
    made = complete(database, ["a@x.example"], expires_at="2000-01-01T00:00:00Z")
    upkeep.tick()
    assert summary(database, made) == (State.EXPIRED, Books(num_profiles=1, num_skipped=1))
    assert doorbell.rung == []


@pytest.mark.parametrize(("lane", "num_pending"), [(Lane.BULK, 0), (Lane.NORMAL, 0), (Lane.TRANSACTIONAL, 1)])
def test_who_has_unsubscribed_gets_what_is_transactional(database, upkeep, lane, num_pending):
    with database.begin() as tx:
        suppressions.add(tx, ORGANIZATION, "unsubscribed@x.example", Reason.UNSUBSCRIBED)
        suppressions.add(tx, ORGANIZATION, "bounced@x.example", Reason.BOUNCED)
    made = complete(database, ["unsubscribed@x.example", "bounced@x.example"], lane=lane)
    upkeep.tick()
    state, books = summary(database, made)
    assert (books.num_pending, books.num_skipped) == (num_pending, 2 - num_pending)
    assert state is (State.RUNNING if num_pending else State.FINISHED)


def test_what_another_leader_is_just_sealing_is_left_to_him(database):
    made, other = complete(database, ["a@x.example"]), complete(database, ["a@x.example"])
    with database.engine.connect() as connection, connection.begin():
        connection.execute(text("SELECT FROM mailing WHERE id = :id FOR UPDATE"), {"id": made.id})
        assert sealing.seal_complete(database) == {Lane.BULK}
        assert (summary(database, made)[0], summary(database, other)[0]) == (State.LOADING, State.RUNNING)
    sealing.seal_complete(database)
    assert summary(database, made)[0] is State.RUNNING


BREAKAGE = "ALTER TABLE batch ADD CONSTRAINT breakage CHECK (mailing_id <> {} OR num_skipped = 0) NOT VALID"


@pytest.fixture
def unsealable(database):
    """A mailing that no leader can seal, until `mend` is called."""
    with database.begin() as tx:
        suppressions.add(tx, ORGANIZATION, "gone@x.example", Reason.BOUNCED)
    made = complete(database, ["gone@x.example", "a@x.example"])
    with database.begin() as tx:
        tx.execute(text(BREAKAGE.format(made.id)))
    return made


def mend(database):
    with database.begin() as tx:
        tx.execute(text("ALTER TABLE batch DROP CONSTRAINT breakage"))


def test_one_that_cannot_be_sealed_keeps_no_other_waiting(database, unsealable, caplog):
    other = complete(database, ["a@x.example"])
    sealing.seal_complete(database)
    assert (summary(database, unsealable)[0], summary(database, other)[0]) == (State.LOADING, State.RUNNING)
    assert "mailing.not_sealed" in caplog.text


def test_one_that_cannot_be_sealed_is_tried_again_in_a_minute(database, doorbell, unsealable, caplog):
    """And not at every tick: it may be large, and the log would tell of nothing else."""
    now_s = [1000.0]
    leader = Upkeep(database, Dispatcher(database, doorbell), monotonic=lambda: now_s[0])
    for _ in range(3):
        leader.tick()
    assert caplog.text.count("mailing.not_sealed") == 1
    mend(database)
    now_s[0] += 59
    leader.tick()
    assert summary(database, unsealable)[0] is State.LOADING
    now_s[0] += 1
    leader.tick()
    assert summary(database, unsealable)[0] is State.RUNNING


DEATH = """
CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END';
CREATE TRIGGER death BEFORE UPDATE ON mailing FOR EACH ROW EXECUTE FUNCTION die();
"""


def test_one_for_which_the_database_went_away_is_tried_again_at_once(database, doorbell, caplog):
    made = complete(database, ["a@x.example"])
    leader = Upkeep(database, Dispatcher(database, doorbell), monotonic=lambda: 1000.0)
    with database.begin() as tx:
        tx.execute(text(DEATH))
    leader.tick()
    assert "mailing.not_sealed" in caplog.text
    with database.begin() as tx:
        tx.execute(text("DROP TRIGGER death ON mailing"))
    leader.tick()
    assert summary(database, made)[0] is State.RUNNING


def test_one_that_the_leader_has_sealed_meanwhile_is_as_good_to_whoever_would_seal_it(database):
    made = complete(database, ["a@x.example"])
    sealing.seal_complete(database)
    assert sealing.seal(database, made.id).state is State.RUNNING


def test_a_submit_of_the_same_key_and_words_seals_it_and_loads_nothing_twice(database, submit, ledger):
    submitted = submit("email\na@x.example\nb@x.example\n", key="k")
    with database.begin() as tx:
        tx.execute(text("UPDATE mailing SET state = 'loading', started_at = NULL, loaded_at = now()"))
    again = submit("email\na@x.example\nb@x.example\n", key="k")
    assert (again.public_id, again.created, again.state) == (submitted.public_id, False, State.RUNNING)
    assert again.books == Books(num_profiles=2, num_pending=2)
    ledger.require_balance()


def test_it_can_neither_be_dropped_nor_loaded_on(database, submit, tmp_path):
    submitted = submit("email\na@x.example\n", name="people.csv")
    with database.begin() as tx:
        tx.execute(text("UPDATE mailing SET state = 'loading', started_at = NULL, loaded_at = now()"))
    with pytest.raises(Conflict, match="about to start"):
        steering.drop(database, submitted.public_id)
    with open_source(tmp_path / "people.csv") as source, pytest.raises(Conflict, match="about to start"):
        producer.load_on(database, submitted.public_id, source)
