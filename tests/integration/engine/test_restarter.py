"""What a dead process held goes on with another one; what it had begun is in doubt, and only that."""

import pytest
from sqlalchemy import text

from mailq.core.batch import State as Batch
from mailq.core.delivery import Change, State
from mailq.core.mailing import Books
from mailq.core.mailing import State as Mailing
from mailq.engine.ledger import Ledger
from mailq.engine.restarter import Restarter
from mailq.errors import LeaseLost
from mailq.store import batches, mailings
from mailq.store.deliveries import Settled
from tests.support.mailings import batch_row, make_mailing, make_owner, recount, states


@pytest.fixture
def died(database):
    """A batch of ten of which 1 to 4 had begun and 1 and 2 were settled when its process died."""
    with database.begin() as tx:
        made = make_mailing(tx, [10])
        held = batches.claim(tx, made.batches[0], owner=make_owner(tx))
    ledger = Ledger(database, held, relay="relay:25")
    ledger.commit([Settled(seq, State.PENDING, Change(State.SENT, reply="250 ok")) for seq in (1, 2)], 4)
    return made, ledger


def restart(database):
    with database.begin() as tx:
        now = make_owner(tx)
    return Restarter(database).former_incarnations(now.server_id, now.incarnation)


def test_what_had_begun_is_in_doubt_and_the_rest_is_ready(database, died):
    made, _ = died
    assert restart(database) == 1
    with database.begin() as tx:
        assert states(tx, made.id) == {1: "sent", 2: "sent", 3: "in_doubt", 4: "in_doubt"} | dict.fromkeys(
            range(5, 11), "pending"
        )
        assert batch_row(tx, made.batches[0])["state"] == "ready"
        assert (
            mailings.books(tx, made.id)
            == recount(tx, made.id)
            == Books(num_profiles=10, num_sent=2, num_in_doubt=2, num_pending=6)
        )


def test_the_former_owner_writes_nothing_more(database, died):
    _, ledger = died
    restart(database)
    with pytest.raises(LeaseLost):
        ledger.commit([Settled(3, State.PENDING, Change(State.SENT, reply="250 ok"))], 5)
    with pytest.raises(LeaseLost):
        ledger.close()


def test_doubts_are_not_worked_again(database, died):
    made, _ = died
    restart(database)
    with database.begin() as tx:
        held = batches.claim(tx, made.batches[0], owner=make_owner(tx, "web2:8851"))
        from mailq.store import deliveries

        assert [work.seq for work in deliveries.worklist(tx, held)] == [5, 6, 7, 8, 9, 10]


def test_restarting_again_finds_nothing(database, died):
    assert (restart(database), restart(database)) == (1, 0)


def test_another_servers_batches_are_left_alone(database, died):
    with database.begin() as tx:
        other = make_owner(tx, "web2:8851")
    assert Restarter(database).former_incarnations(other.server_id, other.incarnation) == 0


def test_a_batch_whose_last_delivery_was_open_is_finished_in_doubt(database):
    with database.begin() as tx:
        made = make_mailing(tx, [2])
        held = batches.claim(tx, made.batches[0], owner=make_owner(tx))
    Ledger(database, held, relay="relay:25").commit([], 2)
    restart(database)
    with database.begin() as tx:
        assert batch_row(tx, made.batches[0])["state"] == Batch.FINISHED
        assert mailings.get(tx, made.id).state is Mailing.FINISHED
        assert mailings.books(tx, made.id) == Books(num_profiles=2, num_in_doubt=2)


def test_the_rest_of_a_cancelled_mailing_is_skipped_when_its_batch_is_reclaimed(database, died):
    made, _ = died
    with database.begin() as tx:
        mailings.step(tx, made.id, Mailing.CANCELLED)
    restart(database)
    with database.begin() as tx:
        assert batch_row(tx, made.batches[0])["state"] == Batch.CANCELLED
        assert (
            mailings.books(tx, made.id)
            == recount(tx, made.id)
            == Books(num_profiles=10, num_sent=2, num_in_doubt=2, num_skipped=6)
        )


def test_a_batch_whose_counters_are_wrong_is_left_for_a_person_and_the_others_are_reclaimed(database, died):
    made, _ = died
    with database.begin() as tx:
        other = make_mailing(tx, [3])
        batches.claim(tx, other.batches[0], owner=make_owner(tx, "web1:8851"))
        # By its counters nothing but what is open is left; by its deliveries there is.
        tx.execute(text("UPDATE batch SET num_errors = num_profiles - num_sent - 2 WHERE id = :id"), {"id": made.batches[0]})
    assert restart(database) == 1
    with database.begin() as tx:
        assert batch_row(tx, made.batches[0])["state"] == Batch.LEASED
        assert batch_row(tx, other.batches[0])["state"] == Batch.READY


def test_a_row_that_is_locked_is_reclaimed_the_next_time(database, died):
    _, ledger = died
    with database.begin() as writing:
        batches.hold(writing, ledger.held)
        assert restart(database) == 0
    assert restart(database) == 1
