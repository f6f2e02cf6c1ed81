"""A reclaimer believes the complete journal of a dead process, and nothing else."""

import os
import shutil
from dataclasses import dataclass

import pytest
from sqlalchemy import text

from mailq.core.delivery import Change, State
from mailq.core.mailing import Books
from mailq.engine.ledger import Ledger
from mailq.engine.restarter import Own, Remains, Restarter
from mailq.store import batches, installation, mailings
from mailq.store.deliveries import Settled
from mailq.transports import journal as journal_file
from mailq.transports.journal import HEADER_SIZE, JournalFile
from mailq.transports.journals import FileJournals
from tests.support.mailings import batch_row, make_mailing, make_owner, recount, states

RELAY = "relay:25"


@dataclass
class Held:
    """A batch of eight whose process has begun 1 to 6 and settled 1, with a journal."""

    database: object
    made: object
    ledger: Ledger
    journal: JournalFile
    journals: FileJournals

    @property
    def claim(self):
        return self.ledger.held

    def note(self, name, seq, *code):
        getattr(self.journal, name)(self.claim.batch_id, self.claim.fence, seq, 1, *code)

    def dies(self):
        self.journal.close(remove=False)

    def restarter(self):
        return Restarter(self.database, self.journals)

    def restart(self):
        with self.database.begin() as tx:
            now = make_owner(tx)
        return self.restarter().former_incarnations(now.server_id, now.incarnation)

    @property
    def states(self):
        with self.database.begin() as tx:
            assert mailings.books(tx, self.made.id) == recount(tx, self.made.id)
            return "".join(state[0] for state in states(tx, self.made.id).values())

    def doubts(self):
        with self.database.begin() as tx:
            query = "SELECT seq, doubt FROM delivery WHERE state = 'in_doubt' AND relay = :relay ORDER BY seq"
            return [tuple(row) for row in tx.execute(text(query), {"relay": RELAY})]


@pytest.fixture
def held(database, tmp_path):
    with database.begin() as tx:
        uuid = installation.uuid(tx)
        made = make_mailing(tx, [8])
        owner = make_owner(tx, pid=2**22 + 1)
        journal = JournalFile.create(tmp_path / "journal", database=uuid, incarnation=owner.incarnation)
        claim = batches.claim(tx, made.batches[0], owner=owner, journal=journal.nonce, relay=RELAY)
    ledger = Ledger(database, claim, relay=RELAY)
    ledger.commit([Settled(1, State.PENDING, Change(State.SENT, reply="250 ok"))], 6)
    return Held(database, made, ledger, journal, FileJournals(tmp_path, lambda: uuid))


def test_every_record_means_what_it_says(held):
    """2 accepted, 3 put off, 4 rejected, 5 past its dot, 6 not sent after all, 7 and 8 not begun."""
    for seq in (2, 3, 4, 5, 6):
        held.note("started", seq)
    held.note("replied", 2, 250)
    held.note("replied", 3, 451)
    held.note("replied", 4, 550)
    held.note("abandoned", 6)
    held.dies()
    assert held.restart() == 1
    assert held.states == "ssdeippp"
    assert held.doubts() == [(5, "worker_killed")]
    with held.database.begin() as tx:
        replies = tx.execute(text("SELECT reply FROM delivery WHERE seq IN (2, 3, 4) ORDER BY seq")).scalars()
        assert list(replies) == [f"{code} as the journal has it" for code in (250, 451, 550)]
        assert batch_row(tx, held.made.batches[0])["state"] == "ready"


def test_without_a_record_nothing_had_left(held):
    held.dies()
    held.restart()
    assert held.states == "sppppppp"


def test_the_last_try_counts(held):
    held.note("started", 2)
    held.note("abandoned", 2)
    held.journal.started(held.claim.batch_id, held.claim.fence, 2, 2)
    held.dies()
    held.restart()
    assert held.states == "sipppppp"


def test_records_of_another_pass_prove_nothing_about_this_one(held):
    held.journal.started(held.claim.batch_id, held.claim.fence - 1, 2, 1)
    held.journal.started(held.claim.batch_id + 1, held.claim.fence, 3, 1)
    held.dies()
    held.restart()
    assert held.states == "sppppppp"


def test_a_live_process_keeps_its_batch(held):
    assert held.restart() == 0
    held.ledger.commit([Settled(2, State.PENDING, Change(State.SENT, reply="250 ok"))], 6)
    assert held.states == "sspppppp"


def test_a_live_process_whose_server_was_retired_loses_its_batch_and_nothing_is_proven(held):
    held.note("started", 2)
    owner = held.claim.owner
    assert held.restarter().of_server(owner.server_id, owner.incarnation) == 1
    assert held.states == "siiiiipp"
    assert {reason for _, reason in held.doubts()} == {"host_lost"}


@pytest.fixture(params=["missing", "damaged", "cut short", "another boot", "another database", "none named"])
def unproven(request, held, monkeypatch):
    """A journal that proves nothing."""
    held.note("started", 2)
    held.dies()
    if request.param == "missing":
        held.journal.path.unlink()
    elif request.param == "damaged":
        octets = bytearray(held.journal.path.read_bytes())
        octets[HEADER_SIZE + 3] ^= 1
        held.journal.path.write_bytes(octets)
    elif request.param == "cut short":
        os.truncate(held.journal.path, HEADER_SIZE + 28)
    elif request.param == "another boot":
        monkeypatch.setattr("mailq.transports.journals.this_boot", lambda: "f" * 36)
    elif request.param == "another database":
        held.journals = FileJournals(held.journals.home, lambda: "f" * 36)
    else:
        with held.database.begin() as tx:
            tx.execute(text("UPDATE batch SET journal = NULL"))
    return held


def test_where_nothing_is_proven_all_that_had_begun_is_in_doubt(unproven):
    unproven.restart()
    assert unproven.states == "siiiiipp"
    assert {reason for _, reason in unproven.doubts()} == {"host_lost"}


def test_the_journal_of_a_server_with_another_home_on_this_host_is_found(held, tmp_path):
    with held.database.begin() as tx:
        home, boot = str(tmp_path), journal_file.boot_id()
        tx.execute(text("UPDATE server SET home = :home, boot_id = :boot"), {"home": home, "boot": boot})
    held.dies()
    held.journals = FileJournals(tmp_path / "elsewhere", held.journals.life)
    owner = held.claim.owner
    held.restarter().of_server(owner.server_id, owner.incarnation)
    assert held.states == "sppppppp"


def test_a_copy_of_a_home_neither_proves_anything_nor_hides_the_journal_itself(held, tmp_path):
    shutil.copytree(tmp_path / "journal", tmp_path / "elsewhere" / "journal")
    copied = FileJournals(tmp_path / "elsewhere", held.journals.life)
    whose = {"incarnation": held.claim.owner.incarnation, "home": str(tmp_path), "boot_id": journal_file.boot_id()}
    held.note("started", 2)

    assert copied.read(held.journal.nonce, **whose).lives
    held.dies()
    assert [record.seq for record in copied.read(held.journal.nonce, **whose).records] == [2]
    assert copied.read(held.journal.nonce, **whose | {"home": None}).records is None
    assert [left.records for left in copied.leftovers()] == [None]


def test_evidence_is_void_if_the_batch_changed_hands_meanwhile(held):
    held.dies()
    owner = held.claim.owner

    class Slow(FileJournals):
        """While it reads, somebody else reclaims."""

        def read(self, *args, **options):
            Restarter(held.database).of_server(owner.server_id, owner.incarnation)
            return super().read(*args, **options)

    held.journals = Slow(held.journals.home, held.journals.life)
    assert held.restart() == 0
    assert held.states == "siiiiipp"


def test_a_dead_process_of_a_living_server_is_found_by_its_journal(held):
    owner = held.claim.owner
    assert held.restarter().dead_processes(owner.server_id, owner.incarnation) == 0
    held.note("started", 2)
    held.dies()
    assert held.restarter().dead_processes(owner.server_id, owner.incarnation) == 1
    assert held.states == "sipppppp"


@pytest.mark.parametrize(("pid", "reclaimed"), [(2**22 + 1, 1), (os.getpid(), 0)], ids=["gone", "alive"])
def test_without_its_journal_a_process_is_dead_when_its_pid_is_gone(held, pid, reclaimed):
    held.dies()
    held.journal.path.unlink()
    with held.database.begin() as tx:
        tx.execute(text("UPDATE batch SET owner = 'web1:8851#1/' || :pid"), {"pid": pid})
    owner = held.claim.owner
    assert held.restarter().dead_processes(owner.server_id, owner.incarnation) == reclaimed


def test_a_process_believes_its_own_records_about_what_it_holds(held):
    """As after a commit whose reply was lost for good: what had not reached its dot goes out again."""
    held.note("started", 2)
    held.note("started", 3)
    held.note("replied", 3, 250)
    assert held.restarter().of_process(held.claim.owner.process, Own.of(held.journal, held.claim)) == Remains()
    assert held.states == "sisppppp"


def test_a_process_proves_nothing_about_a_claim_it_does_not_know(held):
    assert held.restarter().of_process(held.claim.owner.process, Own.of(held.journal, None)) == Remains()
    assert held.states == "siiiiipp"


def test_a_process_with_the_pid_of_a_dead_one_believes_the_dead_ones_journal(held, tmp_path):
    """The same name: its own empty journal must not speak for the other."""
    held.note("started", 2)
    held.dies()
    mine = JournalFile.create(tmp_path / "journal", database=held.journals.life(), incarnation=1)
    held.restarter().of_process(held.claim.owner.process, Own.of(mine, None))
    assert held.states == "sipppppp"


def test_a_thousand_batches_are_taken_in_one_go(database, tmp_path):
    """And each by its own evidence: one delivery of one of them is in doubt."""
    with database.begin() as tx:
        uuid = installation.uuid(tx)
        made = make_mailing(tx, [3] * 1000)
        owner = make_owner(tx)
        journal = JournalFile.create(tmp_path / "journal", database=uuid, incarnation=owner.incarnation)
        tx.execute(
            text("""UPDATE batch SET state = 'leased', owner = 'p', server_id = :server, incarnation = :incarnation, fence = 1,
                        watermark = first_seq + 1, pass_started_at = now(), first_claimed_at = now(), journal = :journal"""),
            {"server": owner.server_id, "incarnation": owner.incarnation, "journal": journal.nonce},
        )
    journal.started(made.batches[500], 1, 1501, 1)
    journal.close(remove=False)
    restarter = Restarter(database, FileJournals(tmp_path, lambda: uuid))
    assert restarter.former_incarnations(owner.server_id, owner.incarnation + 1) == 1000
    with database.begin() as tx:
        assert mailings.books(tx, made.id) == Books(num_profiles=3000, num_pending=2999, num_in_doubt=1)
