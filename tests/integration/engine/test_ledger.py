"""A COMMIT whose reply was lost either took place or did not, and the books are right in both cases."""

import pytest
from sqlalchemy import text

from mailq.core.delivery import Change, State
from mailq.core.mailing import Books
from mailq.core.mailing import State as Mailing
from mailq.engine.ledger import Ledger
from mailq.errors import BooksDiffer, LeaseLost, Unavailable
from mailq.store import batches, mailings
from mailq.store.deliveries import Settled
from tests.support.faulty import FaultyDatabase
from tests.support.mailings import make_mailing, make_owner, recount

SENT = Change(State.SENT, reply="250 ok")


@pytest.fixture
def faulty(database_url):
    opened = FaultyDatabase(database_url)
    yield opened
    opened.close()


@pytest.fixture
def mailing(faulty):
    with faulty.begin() as tx:
        return make_mailing(tx, [3])


@pytest.fixture
def ledger(faulty, mailing):
    with faulty.begin() as tx:
        held = batches.claim(tx, mailing.batches[0], owner=make_owner(tx))
    return Ledger(faulty, held, relay="relay:25", pause=lambda _: None)


def settled(*seqs):
    return [Settled(seq, State.PENDING, SENT) for seq in seqs]


def books(faulty, mailing):
    with faulty.begin() as tx:
        assert mailings.books(tx, mailing.id) == recount(tx, mailing.id)
        return mailings.books(tx, mailing.id)


@pytest.mark.parametrize("breaks", ["before", "after"])
@pytest.mark.parametrize("away", [0, 3])
def test_a_window_whose_commit_was_not_answered_is_written_exactly_once(faulty, mailing, ledger, breaks, away):
    ledger.commit(settled(1), 1)
    faulty.breaks, faulty.away = breaks, away
    assert ledger.commit(settled(2), 2) is Mailing.RUNNING
    assert books(faulty, mailing) == Books(num_profiles=3, num_sent=2, num_pending=1)
    ledger.commit(settled(3), 3)
    assert books(faulty, mailing) == Books(num_profiles=3, num_sent=3)


def test_a_batch_reclaimed_while_the_database_was_away_is_not_written_about(faulty, mailing, ledger):
    faulty.breaks = "before"
    fence = "UPDATE batch SET fence = fence + 1"

    def meanwhile(_seconds):
        with faulty.engine.begin() as tx:
            tx.execute(text(fence))

    faulty.away = 1
    patient = Ledger(faulty, ledger.held, relay="relay:25", pause=meanwhile)
    with pytest.raises(LeaseLost):
        patient.commit(settled(1), 1)
    assert books(faulty, mailing).num_sent == 0


def test_a_process_that_must_stop_does_not_wait_for_the_database_for_ever(faulty, ledger):
    faulty.breaks, faulty.away = "before", 10**9
    asked = iter([False, False, True])
    hasty = Ledger(faulty, ledger.held, relay="relay:25", give_up=lambda: next(asked), pause=lambda _: None)
    with pytest.raises(Unavailable):
        hasty.commit(settled(1), 1)


def test_a_batch_whose_counters_disagree_with_its_deliveries_is_not_let_go_of(faulty, ledger):
    with faulty.begin() as tx:
        tx.execute(text("UPDATE batch SET num_sent = num_sent + 1"))
    with pytest.raises(BooksDiffer, match=r"\(2, 0\).*\(3, 0\)"):
        ledger.close()
    with faulty.begin() as tx:
        assert tx.execute(text("SELECT state FROM batch")).scalar_one() == "leased"


def test_closing_twice_is_refused(faulty, mailing, ledger):
    ledger.commit(settled(1, 2, 3), 3)
    ledger.close()
    with pytest.raises(LeaseLost):
        ledger.close()
    with faulty.begin() as tx:
        assert mailings.get(tx, mailing.id).state is Mailing.FINISHED
