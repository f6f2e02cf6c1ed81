"""A worker process and its journal: no dot unnoted, none past the lease, and what was lost on the way is known afterwards."""

import errno
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from mailq import bootstrap
from mailq.core.mailing import Books
from mailq.engine.dispatcher import Dispatcher
from mailq.engine.executor import Memory
from mailq.engine.ledger import Ledger
from mailq.engine.restarter import Restarter
from mailq.errors import BooksForgotten, Unavailable
from mailq.store import batches
from mailq.transports.journal import HEADER_SIZE, JournalFile
from tests.support.mailings import batch_row, books_of, make_mailing, make_owner
from tests.support.waiting import eventually
from tests.support.workers import hands


def sent(database):
    with database.begin() as tx:
        return set(tx.execute(text("SELECT address FROM delivery WHERE state = 'sent'")).scalars())


def in_doubt(database):
    with database.begin() as tx:
        return set(tx.execute(text("SELECT address FROM delivery WHERE state = 'in_doubt'")).scalars())


@pytest.fixture
def make(database):
    def make(sizes):
        with database.begin() as tx:
            return make_mailing(tx, sizes)

    return make


@contextmanager
def working(worker, batch_id):
    """Work a batch in a thread; what it said."""
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(worker.executor.work(batch_id)))
    thread.start()
    try:
        yield said
    finally:
        thread.join(10)


def fails(monkeypatch, note):
    """The disk is full when a note of this kind is written."""

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(JournalFile, note, full)


def test_the_claim_names_the_journal_and_the_relay_and_the_file_is_gone_in_the_end(database, sink, make):
    made = make([5, 5])
    with hands(database, sink.url) as worker:
        worker.work_until_idle()
        (journal,) = worker.journals
        assert not journal.read_bytes()[HEADER_SIZE:].strip(b"\0")
        with database.begin() as tx:
            rows = {(row.journal, row.relay) for row in tx.execute(text("SELECT journal, relay FROM batch"))}
        assert rows == {(journal.stem, sink.url.removeprefix("smtp://"))}
        home = worker.settings.home
    assert not list(home.glob("journal/*"))
    assert books_of(database, made) == Books(num_profiles=10, num_sent=10)


def test_a_lease_that_runs_out_between_mail_and_dot_lets_no_mail_out(database, sink, make):
    sink.rules("at=rcpt delay=500ms")
    made = make([20])
    with hands(database, sink.url) as worker:
        with working(worker, made.batches[0]) as said:
            eventually(lambda: begun(database))
            worker.standing.lease_holds = False
        assert "the lease ran out" in said[0]
    assert sink.accepted == []
    assert books_of(database, made) == Books(num_profiles=20, num_pending=20)
    with database.begin() as tx:
        assert batch_row(tx, made.batches[0])["state"] == "ready"


def test_without_a_lease_nothing_is_claimed(database, sink, make):
    """The local deadline ends before the database's: claimed in between, a batch would be handed back at once, again and again."""
    made = make([5])
    with hands(database, sink.url) as worker:
        worker.standing.lease_holds = False
        assert "nothing is claimed until it is renewed" in worker.executor.work(made.batches[0])
    with database.begin() as tx:
        assert batch_row(tx, made.batches[0])["fence"] == 0


def test_a_ring_that_a_server_without_a_lease_has_heard_is_rung_again_at_the_next_tick(database, sink, make):
    """It would pass for one that is on its way for `ring_again_after`, and nobody would work the batch meanwhile."""
    made = make([5])
    with hands(database, sink.url) as worker:
        dispatcher = Dispatcher(database, worker.doorbell)
        assert dispatcher.ring_all() == 1
        worker.standing.lease_holds = False

        worker.executor.work(made.batches[0])

        assert dispatcher.ring_all() == 1
    assert [ring.batch_id for ring in worker.doorbell.rung] == [made.batches[0]] * 2


def begun(database):
    with database.begin() as tx:
        return tx.execute(text("SELECT watermark > 0 FROM batch WHERE number = 1")).scalar_one()


def test_what_came_back_before_the_lease_ran_out_is_in_the_books(database, sink, make):
    sink.rules("delay=20ms at=dot")
    made = make([500])
    with hands(database, sink.url) as worker, working(worker, made.batches[0]):
        eventually(lambda: len(sink.accepted) > 20)
        worker.standing.lease_holds = False
    books = books_of(database, made)
    assert books.num_sent == len(sink.accepted)
    assert books.num_in_doubt == 0


def test_a_new_incarnation_goes_on_with_a_journal_of_its_own(database, sink, make):
    made = make([5, 5])
    with hands(database, sink.url) as worker:
        worker.executor.work(made.batches[0])
        before = worker.journals
        with database.begin() as tx:
            worker.standing.owner = make_owner(tx, pid=os.getpid())
        worker.executor.work(made.batches[1])
        assert len(worker.journals) == 1
        assert worker.journals != before
    assert books_of(database, made) == Books(num_profiles=10, num_sent=10)


def test_without_a_journal_nothing_is_claimed(database, sink, make, tmp_path):
    made = make([5])
    home = tmp_path / "home"
    home.write_text("a file where the home should be")
    with hands(database, sink.url, home=home) as worker:
        assert "no journal can be written, so nothing is sent" in worker.executor.work(made.batches[0])
    assert sink.accepted == []
    with database.begin() as tx:
        assert batch_row(tx, made.batches[0])["state"] == "ready"


def test_a_disk_that_is_full_stops_every_dot_and_the_batch_waits(database, sink, make, monkeypatch):
    made = make([20])
    with hands(database, sink.url) as worker:
        fails(monkeypatch, "started")
        assert "the journal cannot be written: [Errno 28] No space left" in worker.executor.work(made.batches[0])
    assert sink.accepted == []
    assert books_of(database, made) == Books(num_profiles=20, num_pending=20)
    with database.begin() as tx:
        assert batch_row(tx, made.batches[0])["state"] == "waiting"


@pytest.mark.parametrize("note", ["replied", "abandoned"])
def test_a_disk_that_fills_up_later_loses_and_doubles_nothing(database, sink, make, monkeypatch, note):
    # A 421 in answer to a dot: the letter was not accepted, and goes out again.
    sink.rules("address=r3@* at=dot tempfail=421 4.3.2 going down times=1")
    made = make([20])
    with hands(database, sink.url) as worker:
        with monkeypatch.context() as patched:
            fails(patched, note)
            worker.executor.work(made.batches[0])
        with database.begin() as tx:
            tx.execute(text("UPDATE batch SET state = 'ready', due_at = NULL WHERE state = 'waiting'"))
        worker.work_until_idle()
    assert len(sink.accepted_recipients) == len(set(sink.accepted_recipients))
    assert sent(database) <= set(sink.accepted_recipients) <= sent(database) | in_doubt(database)
    assert books_of(database, made).num_pending == 0


@pytest.fixture
def lossy(monkeypatch, database):
    """Lose the reply to the next commit in which a function of the store has run; whether it takes effect is told."""

    def lose(module, name, *, takes_effect):
        real = getattr(module, name)

        def once(tx, *args, **options):
            real(tx, *args, **options)
            (tx.commit if takes_effect else tx.rollback)()
            monkeypatch.setattr(module, name, real)
            raise Unavailable("the reply was lost")

        monkeypatch.setattr(module, name, once)

    return lose


@pytest.mark.parametrize("takes_effect", [True, False])
@pytest.mark.parametrize("statement", ["claim", "release"])
def test_a_claim_or_a_release_whose_reply_is_lost_puts_nothing_in_doubt(database, sink, make, lossy, statement, takes_effect):
    made = make([5])
    with hands(database, sink.url) as worker:
        lossy(batches, statement, takes_effect=takes_effect)
        assert "did not answer" in worker.executor.work(made.batches[0])
        worker.work_until_idle()
    assert books_of(database, made) == Books(num_profiles=5, num_sent=5)
    assert len(sink.accepted) == 5


def test_what_was_taken_in_mid_pass_is_told_to_the_books_and_only_unanswered_dots_stay_in_doubt(database, sink, make):
    sink.rules("delay=20ms at=dot")
    made = make([500])
    with hands(database, sink.url) as worker:
        with working(worker, made.batches[0]) as said:
            eventually(lambda: len(sink.accepted) > 20)
            owner = worker.owner
            eventually(lambda: Restarter(database).of_server(owner.server_id, owner.incarnation) == 1)
        assert said == ["the lease was lost"]
    books = books_of(database, made)
    assert books.num_in_doubt <= 4
    assert sent(database) <= set(sink.accepted_recipients) <= sent(database) | in_doubt(database)


def test_what_a_pass_knows_is_kept_while_the_books_of_its_batch_differ(database, sink, make):
    """Somebody has changed a counter by hand. When that is mended the batch is reclaimed, and nothing of it goes out twice."""
    sink.rules("delay=300ms at=dot")
    made = make([8, 5])
    with hands(database, sink.url) as worker:
        with ThreadPoolExecutor(1) as thread:
            working_on = thread.submit(worker.executor.work, made.batches[0])
            eventually(lambda: begun(database))
            change_by_hand(database, +1)
            with pytest.raises(IntegrityError):
                working_on.result()
        sink.rules()
        assert worker.executor.work(made.batches[1]).endswith("sent=5 errors=0 deferred=0 in_doubt=0")
        assert len(worker.journals) == 2

        change_by_hand(database, -1)
        owner = worker.owner
        assert bootstrap.restarter(worker.settings, database).dead_processes(owner.server_id, owner.incarnation) == 1
        worker.work_until_idle()
    assert sorted(sink.accepted_recipients) == sorted(set(sink.accepted_recipients))
    assert sent(database) <= set(sink.accepted_recipients) <= sent(database) | in_doubt(database)
    assert books_of(database, made).num_pending == 0


def change_by_hand(database, number):
    with database.begin() as tx:
        tx.execute(text("UPDATE batch SET num_sent = num_sent + :number WHERE number = 1"), {"number": number})


def test_what_was_taken_while_the_database_was_away_is_told_to_the_books(database, sink, make, monkeypatch):
    """The release failed, and by the time the database was back another server had taken the batch without the journal."""
    made = make([20])
    with hands(database, sink.url) as worker:
        owner, close = worker.owner, Ledger.close

        def taken(ledger, **_):
            forget_the_last_commit(database)
            Restarter(database).of_server(owner.server_id, owner.incarnation)
            monkeypatch.setattr(Ledger, "close", close)
            raise Unavailable("the database went away")

        monkeypatch.setattr(Ledger, "close", taken)
        worker.executor.work(made.batches[0])
    assert books_of(database, made) == Books(num_profiles=20, num_sent=20)


def forget_the_last_commit(database):
    """The last mail was accepted, and the journal alone knows it."""
    with database.begin() as tx:
        tx.execute(text("UPDATE delivery SET state = 'pending', pass = 0, reply = NULL WHERE seq = 20"))
        tx.execute(text("UPDATE batch SET num_sent = num_sent - 1"))


def test_a_process_that_finds_the_books_forgotten_sends_nothing_more(database, sink, make):
    told: list[str] = []
    made = make([5, 5])
    with hands(database, sink.url, memory=Memory(forgotten=told.append)) as worker:
        worker.executor.work(made.batches[0])
        with database.begin() as tx:
            tx.execute(text("UPDATE delivery SET state = 'pending', pass = 0, attempts = 0"))
            tx.execute(text("UPDATE batch SET state = 'ready', fence = 0, ledger_no = 0, num_sent = 0, finished_at = NULL"))
        said = [worker.executor.work(batch_id) for batch_id in made.batches]
    assert "closed batch" in told[0]
    assert said[0] == told[0]
    assert said[1].startswith("the database has forgotten")
    assert len(sink.accepted) == 5


def test_a_claim_that_was_made_before_is_handed_back_unsent(database, sink, make):
    told: list[str] = []

    def claimed(_):
        raise BooksForgotten("it was claimed before")

    made = make([5])
    with hands(database, sink.url, memory=Memory(claimed, told.append)) as worker:
        assert worker.executor.work(made.batches[0]) == "it was claimed before"
    assert (told, sink.accepted) == (["it was claimed before"], [])
    assert books_of(database, made).num_pending == 5


_PROGRAM = """
import sys
from pathlib import Path
from mailq.store.database import Database
from tests.support.workers import hands
with hands(Database(sys.argv[1]), sys.argv[2], home=Path(sys.argv[3])) as worker:
    print(worker.executor.work(int(sys.argv[4])))
"""


def test_a_process_killed_in_the_middle_leaves_only_unanswered_dots_in_doubt(database, database_url, sink, make, tmp_path):
    sink.rules("delay=5ms at=dot")
    made = make([1000])
    arguments = [sys.executable, "-c", _PROGRAM, database_url, sink.url, str(tmp_path), str(made.batches[0])]
    process = subprocess.Popen(arguments, cwd=Path(__file__).parents[3])
    try:
        eventually(lambda: len(sink.accepted) > 100, within=20)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    with hands(database, sink.url, home=tmp_path, work_for=timedelta(minutes=1)) as worker:
        owner = worker.owner
        assert bootstrap.restarter(worker.settings, database).former_incarnations(owner.server_id, owner.incarnation) == 1
        assert books_of(database, made).num_in_doubt <= 4
        sink.rules()
        worker.work_until_idle()
        assert len(worker.journals) == 1
    assert sent(database) <= set(sink.accepted_recipients) <= sent(database) | in_doubt(database)
    assert len(sink.accepted_recipients) == len(set(sink.accepted_recipients))
    assert len(sent(database)) + len(in_doubt(database)) == 1000
