"""A worker process that died loses its batch at once; one that hangs is killed first, and one that works never."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from mailq.core.batch import State as Batch
from mailq.engine.dispatcher import Dispatcher
from mailq.engine.ports import LeftBehind
from mailq.engine.restarter import Restarter
from mailq.engine.watch import Watch, WatchPolicy
from mailq.errors import Unavailable
from mailq.store import batches
from mailq.store.database import Database
from tests.support.mailings import batch_row, make_mailing, make_owner
from tests.support.workers import QuietDoorbell

PATIENCE = timedelta(seconds=60)
PID = 2**22 + 1
"""No process ever has it."""


class Process:
    """A worker process as its journal shows it, and as a kill ends it."""

    def __init__(self):
        self.lives = True
        self.mortal = True
        self.killed = []

    def read(self, nonce, *, incarnation, home, boot_id):
        return LeftBehind(lives=self.lives, records=None if self.lives else ())

    def kill(self, pid):
        self.killed.append(pid)
        self.lives = self.lives and not self.mortal
        return self.mortal


class Watched:
    """A server with one process that holds a batch, and its watch, whose clock the test moves."""

    def __init__(self, database):
        self.database = database
        self.process = Process()
        self.doorbell = QuietDoorbell()
        self.now_s = 1000.0
        with database.begin() as tx:
            self.owner = make_owner(tx, pid=PID)
            made = make_mailing(tx, [5])
            self.held = batches.claim(tx, made.batches[0], owner=self.owner, journal="nonce")
        self.watch = self.watch_on(database)

    def watch_on(self, database):
        policy = WatchPolicy(self.owner.server_id, PATIENCE, lambda: self.now_s, self.process.kill)
        restarter = Restarter(database, self.process)
        return Watch(database, restarter, Dispatcher(self.database, self.doorbell), self.process, policy)

    def look_after(self, seconds=0.0):
        self.now_s += seconds
        self.watch.look(self.owner.incarnation)

    def settle_something(self):
        with self.database.begin() as tx:
            tx.execute(text("UPDATE batch SET progressed_at = clock_timestamp() WHERE id = :id"), {"id": self.held.batch_id})

    @property
    def batch(self):
        with self.database.begin() as tx:
            return batch_row(tx, self.held.batch_id)["state"]


@pytest.fixture
def watched(database):
    return Watched(database)


def test_what_a_dead_process_held_is_ready_and_rung_for_at_the_next_look(watched):
    watched.look_after()
    assert watched.batch == Batch.LEASED

    watched.process.lives = False
    watched.look_after()

    assert watched.batch == Batch.READY
    assert [ring.batch_id for ring in watched.doorbell.rung] == [watched.held.batch_id]
    assert watched.process.killed == []


def test_a_process_that_hangs_past_every_deadline_is_killed_and_its_batch_reclaimed_in_one_look(watched, caplog):
    watched.look_after()
    watched.look_after(60)
    assert (watched.process.killed, watched.batch) == ([], Batch.LEASED)

    watched.look_after(1)

    assert (watched.process.killed, watched.batch) == ([PID], Batch.READY)
    assert "worker.hung" in caplog.text


def test_a_process_that_settles_something_now_and_then_does_not_hang(watched):
    for _ in range(5):
        watched.look_after(50)
        watched.settle_something()
    assert (watched.process.killed, watched.batch) == ([], Batch.LEASED)


def test_a_pass_of_its_own_is_patience_of_its_own(watched):
    """The same batch, claimed again: another fence."""
    watched.look_after()
    with watched.database.begin() as tx:
        batches.release(tx, watched.held, Batch.READY)
        assert batches.claim(tx, watched.held.batch_id, owner=watched.owner, journal="nonce") is not None
    watched.look_after(59)
    watched.look_after(59)
    assert watched.process.killed == []


def test_what_cannot_be_killed_keeps_its_batch(watched):
    """It is no child of this server, or the kernel does not let go of it: somebody may still send."""
    watched.process.mortal = False
    watched.look_after()
    watched.look_after(61)
    assert (watched.process.killed, watched.batch) == ([PID], Batch.LEASED)


def test_counting_starts_anew_when_the_database_was_away(watched):
    """Nobody can settle anything without it."""
    watched.look_after()
    away = Database("postgresql://nobody@127.0.0.1:1/nothing")
    seen, watched.watch._database = watched.watch._database, away
    watched.watch._restarter._database = away
    with pytest.raises(Unavailable):
        watched.look_after(61)
    watched.watch._database = watched.watch._restarter._database = seen

    watched.look_after(61)
    assert watched.process.killed == []
    watched.look_after(61)
    assert watched.process.killed == [PID]


def test_a_process_of_a_former_incarnation_that_hangs_is_killed_too(watched):
    """After the lease has run out the server goes on under a new one, with the same worker processes."""
    with watched.database.begin() as tx:
        watched.owner = make_owner(tx, pid=PID)
    watched.look_after()
    watched.look_after(61)
    assert watched.process.killed == [PID]
