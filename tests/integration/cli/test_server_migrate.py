"""`mailqctl server migrate`: the batches of a server that is gone go to another one, and those of a living one only by force."""

from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread

import pytest
from sqlalchemy import select, text

from mailq.core.batch import State as Batch
from mailq.core.migration_list import MigrationList
from mailq.engine.dispatcher import Dispatcher
from mailq.engine.restarter import Restarter
from mailq.engine.takeover import Takeover, TakeoverPolicy
from mailq.store import batches
from mailq.store.tables import audit
from tests.support.mailings import batch_row, make_mailing, make_owner
from tests.support.workers import QuietDoorbell


@pytest.fixture
def one(database):
    """A server that holds a batch of which two deliveries have begun; owner and batch."""
    with database.begin() as tx:
        owner = make_owner(tx, "one")
        held = batches.claim(tx, make_mailing(tx, [5]).batches[0], owner=owner)
        tx.execute(text("UPDATE batch SET watermark = 2"))
    return owner, held


@pytest.fixture
def two(database):
    """A server that is alive."""
    with database.begin() as tx:
        return make_owner(tx, "two")


def lapse(database, name):
    with database.begin() as tx:
        late = "UPDATE server SET renewed_at = renewed_at - :by, lease_until = lease_until - :by WHERE name = :name"
        tx.execute(text(late), {"by": timedelta(seconds=25), "name": name})


@contextmanager
def warden_of(database, owner):
    """What the warden of a server does again and again."""
    policy = TakeoverPolicy(server_id=owner.server_id, listed=MigrationList())
    takeover = Takeover(database, Restarter(database), Dispatcher(database, QuietDoorbell()), policy)
    ended = Event()

    def run():
        while not ended.wait(0.05):
            takeover.listed(owner.incarnation)

    thread = Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(10)


def untouched(database):
    with database.begin() as tx:
        given = tx.execute(text("SELECT count(*) FROM server WHERE migrate_to IS NOT NULL")).scalar_one()
        noted = tx.execute(select(audit)).all()
        return (given, noted) == (0, [])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("nobody", "two"), 4, "no server `nobody`; known are one, two"),
        (("one", "nobody", "--force"), 4, "no server `nobody`; known are one, two"),
        (("two", "two"), 5, "server two cannot take over from itself"),
        (("one", "two"), 5, "server one is alive on host web1 and holds 1 batch"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence_and_changes_nothing(mailqctl, database, one, two, words, code, said):
    source, target, *more = words
    done = mailqctl("server", "migrate", "--from", source, "--to", target, *more)
    assert (done.code, said in done.err) == (code, True), done.err
    assert done.out == ""
    assert untouched(database)


def test_the_refusal_says_how_to_do_it_well_and_how_to_do_it_all_the_same(mailqctl, one, two):
    said = mailqctl("server", "migrate", "--from", "one", "--to", "two").err
    assert "`mailqctl server drain one`" in said
    assert "--force" in said


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_a_server_that_is_not_alive_takes_nothing(mailqctl, database, one, two, force):
    lapse(database, "one")
    lapse(database, "two")
    done = mailqctl("server", "migrate", "--from", "one", "--to", "two", *force)
    assert (done.code, "server two is not alive and takes nothing" in done.err) == (5, True)
    assert untouched(database)


def test_a_dead_server_is_migrated_and_the_command_says_what_came_of_it(mailqctl, database, one, two):
    lapse(database, "one")
    with warden_of(database, two):
        done = mailqctl("server", "migrate", "--from", "one", "--to", "two")
    assert done.code == 0, done.err
    assert done.out.startswith("1 batch of one moved in")
    assert done.out.endswith("2 deliveries are in doubt\n")
    with database.begin() as tx:
        assert batch_row(tx, one[1].batch_id)["state"] == Batch.READY


def test_a_living_server_is_migrated_by_force_and_that_is_audited(mailqctl, database, one, two):
    """Its lease is ended: it claims nothing more under this incarnation."""
    with warden_of(database, two):
        done = mailqctl("server", "migrate", "--from", "one", "--to", "two", "--force", "--json")
    assert done.code == 0, done.err
    document = done.document
    assert document.pop("seconds") < 30
    assert document == {"from": "one", "to": "two", "forced": True, "batches": 1, "in_doubt": 2}
    with database.begin() as tx:
        (noted,) = tx.execute(select(audit)).all()
        assert batches.claim(tx, make_mailing(tx).batches[0], owner=one[0]) is None
    assert (noted.action, noted.server) == ("server.migrate", "one")
    assert noted.details == {"to": "two", "incarnation": 1, "forced": True, "batches": 1}
    assert "@" in noted.actor


def test_a_server_that_held_nothing_is_migrated_at_once(mailqctl, database, two):
    with database.begin() as tx:
        make_owner(tx, "idle")
    lapse(database, "idle")
    done = mailqctl("server", "migrate", "--from", "idle", "--to", "two")
    assert (done.code, done.out) == (0, "0 batches of idle moved in 0 s; 0 deliveries are in doubt\n")


def test_what_the_other_server_has_not_taken_in_time_is_said(mailqctl, database, one, two):
    """The order stands: it goes on taking them when it comes to it."""
    lapse(database, "one")
    done = mailqctl("server", "migrate", "--from", "one", "--to", "two", "--timeout", "0.1")
    assert (done.code, "1 batch is left of one" in done.err) == (69, True), done.err
    with warden_of(database, two):
        assert mailqctl("server", "migrate", "--from", "one", "--to", "two").code == 0
