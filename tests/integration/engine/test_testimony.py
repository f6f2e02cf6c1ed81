"""A journal that speaks after its batch was taken settles the doubts of that pass, once, and says who said so."""

import pytest
from sqlalchemy import text

from mailq import bootstrap
from mailq.core.mailing import State
from mailq.engine.restarter import Restarter
from mailq.engine.testimony import Testimony
from mailq.settings import Settings
from mailq.store import audit, batches, installation, mailings
from mailq.transports.journal import JournalFile
from tests.integration.engine.test_evidence import held  # noqa: F401 - a fixture
from tests.support.mailings import batch_row, make_owner


@pytest.fixture
def taken(held):  # noqa: F811
    """1 to 6 had begun, and all but 1 are in doubt since another server took the batch: 2 was accepted, 3 rejected, 4 is past its dot."""
    for seq in (2, 3, 4):
        held.note("started", seq)
    held.note("replied", 2, 250)
    held.note("replied", 3, 550)
    owner = held.claim.owner
    Restarter(held.database).of_server(owner.server_id, owner.incarnation)
    assert held.states == "siiiiipp"
    return held


def leftovers(taken):
    return Testimony(taken.database).of_leftovers(taken.journals)


def test_the_journal_of_a_dead_process_is_heard_at_the_next_start_and_removed(taken):
    taken.dies()
    assert taken.restart() == 0
    assert leftovers(taken) == 1
    assert taken.states == "sseipppp"
    assert taken.doubts() == [(4, "worker_killed")]
    assert not taken.journal.path.exists()
    assert leftovers(taken) == 0


def test_it_is_noted_who_said_so(taken):
    taken.dies()
    leftovers(taken)
    with taken.database.begin() as tx:
        (entry,) = audit.of_delivery(tx, taken.made.id, 2)
    assert (entry.actor, entry.action, entry.details["reason"], entry.details["verdict"]) == (
        "journal",
        "doubt.resolve",
        "host_lost",
        "sent",
    )


def test_a_live_process_is_not_spoken_for(taken):
    assert leftovers(taken) == 0
    assert taken.states == "siiiiipp"
    assert taken.journal.path.exists()


def test_saying_it_twice_changes_nothing_more(taken):
    testimony = Testimony(taken.database)
    records = taken.journal.records()
    assert [testimony.of_records(records) for _ in range(2)] == [4, 0]
    assert taken.states == "sseipppp"


def test_a_dot_that_was_told_of_stays_in_doubt_when_the_records_are_gone(taken):
    """The second time the journal is empty, which proves nothing any more."""
    testimony = Testimony(taken.database)
    testimony.of_records(taken.journal.records())
    assert testimony.of_pass(taken.claim.batch_id, taken.claim.fence, ()) == 0
    assert taken.states == "sseipppp"


def test_what_was_not_sent_goes_out_again_although_the_mailing_was_finished(taken):
    with taken.database.begin() as tx:
        tx.execute(text("UPDATE delivery SET state = 'sent' WHERE seq >= 7"))
        tx.execute(text("UPDATE batch SET state = 'finished', num_sent = 3"))
        tx.execute(text("UPDATE mailing SET state = 'finished'"))
    taken.dies()
    leftovers(taken)
    assert taken.states == "sseippss"
    with taken.database.begin() as tx:
        assert mailings.get(tx, taken.made.id).state is State.RUNNING
        assert batch_row(tx, taken.made.batches[0])["state"] == "ready"


def test_nothing_of_a_cancelled_mailing_goes_out_again_but_what_was_sent_is_noted(taken):
    with taken.database.begin() as tx:
        mailings.step(tx, taken.made.id, State.CANCELLED)
    taken.dies()
    leftovers(taken)
    assert taken.states == "sseiiipp"


def test_a_batch_that_is_worked_again_keeps_its_pass(taken):
    """What becomes pending is left to the next pass: this one has its list."""
    with taken.database.begin() as tx:
        held_again = batches.claim(tx, taken.claim.batch_id, owner=make_owner(tx, "web2:8851"))
    taken.dies()
    leftovers(taken)
    assert taken.states == "sseipppp"
    with taken.database.begin() as tx:
        assert batches.hold(tx, held_again).pending == 4


def test_a_journal_that_a_leased_batch_names_is_kept_for_its_reclaimer(held):  # noqa: F811
    held.dies()
    assert Testimony(held.database).of_leftovers(held.journals) == 0
    assert held.journal.path.exists()


def test_journals_that_prove_nothing_are_removed_but_for_those_of_another_database(held, tmp_path):  # noqa: F811
    other = JournalFile.create(tmp_path / "journal", database="f" * 36, incarnation=1)
    other.close(remove=False)
    (tmp_path / "journal" / f"{'0' * 32}.journal").write_bytes(b"nonsense")
    assert Testimony(held.database).of_leftovers(held.journals) == 1
    assert sorted((tmp_path / "journal").iterdir()) == sorted([held.journal.path, other.path])


def test_reclaiming_former_incarnations_leaves_no_journal_behind(held):  # noqa: F811
    held.dies()
    with held.database.begin() as tx:
        now = make_owner(tx)
    restarter = Restarter(held.database, held.journals, testimony=Testimony(held.database), leftovers=held.journals)
    assert restarter.former_incarnations(now.server_id, now.incarnation) == 1
    assert held.states == "sppppppp"
    assert not held.journal.path.exists()


def test_a_journal_of_a_life_before_an_accepted_restore_says_nothing_about_this_one(taken, tmp_path):
    """Its records name fences that are given out again; whoever reads it was wired before the restore was accepted."""
    journals = bootstrap.journals(Settings(home=tmp_path), taken.database)
    taken.dies()
    assert [len(one.records) for one in journals.leftovers()] == [5]
    with taken.database.begin() as tx:
        installation.accept(tx)
    assert Testimony(taken.database).of_leftovers(journals) == 0
    assert taken.states == "siiiiipp"


def test_a_journal_of_the_life_since_an_accepted_restore_is_heard_by_whoever_was_wired_before(taken, tmp_path):
    journals = bootstrap.journals(Settings(home=tmp_path), taken.database)
    with taken.database.begin() as tx:
        installation.accept(tx)
        life = installation.uuid(tx)
    JournalFile.create(tmp_path / "journal", database=life, incarnation=1).close(remove=False)
    assert [len(one.records) for one in journals.leftovers()] == [0]
