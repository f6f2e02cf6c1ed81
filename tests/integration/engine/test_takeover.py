"""Servers that are gone are taken over, those that are alive are not; whoever comes back in between keeps what is his."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from mailq import bootstrap
from mailq.core.batch import State as Batch
from mailq.core.migration_list import MigrationList
from mailq.core.server import Place, State
from mailq.engine.dispatcher import Dispatcher
from mailq.engine.restarter import Restarter
from mailq.engine.takeover import Takeover, TakeoverPolicy
from mailq.store import batches, servers
from mailq.transports.journal import boot_id
from mailq.transports.server_lock import ServerLock, lock_path
from tests.support.mailings import batch_row, make_mailing, make_owner
from tests.support.workers import QuietDoorbell


class Fleet:
    """Server rows, and the batch that each of them holds."""

    def __init__(self, database):
        self.database = database
        self.doorbell = QuietDoorbell()
        with database.begin() as tx:
            self.me = make_owner(tx, "me:8851")

    def start(self, name, place=None):
        """Start a server (again)."""
        with self.database.begin() as tx:
            owner = make_owner(tx, name)
            if place is not None:
                servers.start(tx, name, place, version="test", slots={})
                owner = replace(owner, incarnation=owner.incarnation + 1)
        return owner

    def working(self, name, place=None):
        """Start a server that claims a batch; the batch."""
        owner = self.start(name, place)
        with self.database.begin() as tx:
            made = make_mailing(tx, [3])
            assert batches.claim(tx, made.batches[0], owner=owner) is not None
        return made.batches[0]

    def age(self, name, seconds):
        """Let its last renewal be this much older."""
        statement = "UPDATE server SET renewed_at = renewed_at - :by, lease_until = lease_until - :by WHERE name = :name"
        with self.database.begin() as tx:
            tx.execute(text(statement), {"by": timedelta(seconds=seconds), "name": name})

    def takeover(self, listed="", **policy):
        """What takes over for `me`."""
        chosen = TakeoverPolicy(server_id=self.me.server_id, listed=MigrationList.parse(listed), **policy)
        return Takeover(self.database, Restarter(self.database), Dispatcher(self.database, self.doorbell), chosen)

    def state(self, name):
        """How a server stands."""
        with self.database.begin() as tx:
            return State(tx.execute(text("SELECT state FROM server WHERE name = :name"), {"name": name}).scalar_one())

    def batch(self, batch_id):
        """How a batch stands."""
        with self.database.begin() as tx:
            return batch_row(tx, batch_id)["state"]


@pytest.fixture
def fleet(database):
    return Fleet(database)


def test_a_listed_server_whose_lease_ran_out_is_taken_over_and_its_batches_are_rung_for(fleet):
    left = fleet.working("one:8851")
    fleet.age("one:8851", 21)

    assert fleet.takeover("one:8851").listed(1) == 1

    assert (fleet.batch(left), fleet.state("one:8851")) == (Batch.READY, State.SILENT)
    assert [ring.batch_id for ring in fleet.doorbell.rung] == [left]


def test_a_listed_server_that_is_alive_is_not_robbed_and_reported_once_per_incarnation(fleet, caplog):
    held = fleet.working("one:8851")
    takeover = fleet.takeover("one:8851")

    assert [takeover.listed(1) for _ in range(3)] == [0, 0, 0]
    assert (fleet.batch(held), fleet.state("one:8851")) == (Batch.LEASED, State.ALIVE)
    assert caplog.text.count("server.listed_but_alive") == 1

    fleet.start("one:8851")
    takeover.listed(1)
    assert caplog.text.count("server.listed_but_alive") == 2


def test_a_server_that_stopped_and_left_a_batch_leased_is_taken_over(fleet):
    left = fleet.working("one:8851")
    with fleet.database.begin() as tx:
        tx.execute(text("UPDATE server SET state = 'stopped' WHERE name = 'one:8851'"))
    assert fleet.takeover("one:8851").listed(1) == 1
    assert (fleet.batch(left), fleet.state("one:8851")) == (Batch.READY, State.STOPPED)


def test_a_server_that_is_not_listed_is_left_alone_however_dead(fleet):
    left = fleet.working("one:8851")
    fleet.age("one:8851", 3600)
    assert fleet.takeover("two:8851").listed(1) == 0
    assert fleet.batch(left) == Batch.LEASED


def test_a_whole_host_is_taken_over_without_the_server_itself(fleet):
    """All of them are on the host web1 by their rows, the one that looks as well."""
    left, own = fleet.working("one:8851"), fleet.working("me:8851")
    for name in ("one:8851", "me:8851"):
        fleet.age(name, 3600)
    assert fleet.takeover("web1:*").listed(2) == 1
    assert (fleet.batch(left), fleet.batch(own)) == (Batch.READY, Batch.LEASED)
    assert fleet.state("me:8851") == State.ALIVE


def test_an_entry_that_means_nobody_is_told_once(fleet, caplog):
    takeover = fleet.takeover("nobody:8851")
    takeover.listed(1)
    takeover.listed(1)
    assert caplog.text.count("migration_list.unknown_server") == 1


class Home:
    """A server's home on this host, with its lock file."""

    def __init__(self, path: Path, name: str):
        self.path = path
        self.lock = ServerLock.open(lock_path(path, name))
        assert self.lock.take()
        self.lock.sign()

    def place(self, **other: object) -> Place:
        return replace(Place("web1", 1, 8851, (), str(self.path), boot_id(), self.lock.nonce), **other)


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path, "one:8851")


def test_a_neighbour_that_died_is_taken_over_before_its_lease_has_run_out(fleet, home):
    """Its lock file is free: the kernel says so."""
    left = fleet.working("one:8851", home.place())
    takeover = fleet.takeover("one:8851", dead=bootstrap.proven_dead)

    assert takeover.listed(1) == 0
    home.lock.release()
    assert takeover.listed(1) == 1

    assert (fleet.batch(left), fleet.state("one:8851")) == (Batch.READY, State.SILENT)


@pytest.mark.parametrize(
    "other",
    [{"boot_id": "another boot"}, {"lock": "another nonce"}, {"lock": None}, {"home": None}, {"home": "/nowhere"}],
    ids=["boot", "nonce", "no nonce", "no home", "home elsewhere"],
)
def test_a_lock_file_that_is_not_the_very_one_proves_nothing(fleet, home, other):
    """Then the lease decides."""
    fleet.working("one:8851", home.place(**other))
    home.lock.release()
    takeover = fleet.takeover("one:8851", dead=bootstrap.proven_dead)
    assert takeover.listed(1) == 0
    fleet.age("one:8851", 21)
    assert takeover.listed(1) == 1


def test_a_server_that_starts_again_between_the_look_and_the_taking_keeps_its_lease(fleet):
    """Its former batch is its own restarter's to reclaim."""
    left = fleet.working("one:8851")

    def starts_meanwhile(server):
        fleet.start(server.name)
        return True

    assert fleet.takeover("one:8851", dead=starts_meanwhile).listed(1) == 0
    assert (fleet.state("one:8851"), fleet.batch(left)) == (State.ALIVE, Batch.LEASED)


def test_a_silent_server_whose_lease_was_granted_anew_between_the_look_and_the_taking_is_spared(fleet):
    fleet.working("one:8851")
    left = fleet.working("two:8851")
    fleet.age("two:8851", 21)

    def starts_the_other_meanwhile(_):
        fleet.start("two:8851")
        return False

    assert fleet.takeover("one:8851,two:8851", dead=starts_the_other_meanwhile).listed(1) == 0
    assert (fleet.state("two:8851"), fleet.batch(left)) == (State.ALIVE, Batch.LEASED)


def test_the_leader_takes_whoever_is_silent_for_too_long(fleet):
    lately, left = fleet.working("one:8851"), fleet.working("two:8851")
    fleet.age("one:8851", 25)
    fleet.age("two:8851", 31)
    fleet.age("me:8851", 31)

    assert fleet.takeover(failover_after=timedelta(seconds=30)).silent(1) == 1

    assert (fleet.batch(lately), fleet.batch(left)) == (Batch.LEASED, Batch.READY)
    assert (fleet.state("two:8851"), fleet.state("me:8851")) == (State.SILENT, State.ALIVE)


def test_never_leaves_silent_servers_to_the_lists(fleet):
    left = fleet.working("one:8851")
    fleet.age("one:8851", 3600)
    assert fleet.takeover(failover_after=None).silent(1) == 0
    assert fleet.batch(left) == Batch.LEASED


def test_former_incarnations_of_the_server_itself_are_rung_for_too(fleet):
    left = fleet.working("me:8851")
    with fleet.database.begin() as tx:
        now = make_owner(tx, "me:8851")
    assert fleet.takeover().former_incarnations(now.incarnation) == 1
    assert [ring.batch_id for ring in fleet.doorbell.rung] == [left]


def test_a_server_given_to_this_one_is_taken_without_a_list(fleet):
    left = fleet.working("one:8851")
    fleet.age("one:8851", 21)
    with fleet.database.begin() as tx:
        given = tx.execute(text("SELECT id FROM server WHERE name = 'one:8851'")).scalar_one()
        servers.migrate(tx, given, to=fleet.me.server_id)
    assert fleet.takeover().listed(1) == 1
    assert fleet.batch(left) == Batch.READY


def test_two_that_take_the_same_server_at_once_reclaim_each_batch_once(fleet):
    left = [fleet.working("one:8851"), fleet.working("two:8851")]
    for name in ("one:8851", "two:8851"):
        fleet.age(name, 21)
    takeovers = [fleet.takeover("one:8851,two:8851"), fleet.takeover("one:8851,two:8851")]
    assert sum(takeover.listed(1) for takeover in takeovers) == 2
    assert {fleet.batch(batch_id) for batch_id in left} == {Batch.READY}
