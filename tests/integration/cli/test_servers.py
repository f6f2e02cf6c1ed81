"""`mailqctl server list` and `drain`."""

import threading

import pytest
from sqlalchemy import text

from mailq.core.server import State
from mailq.store import servers
from tests.support.mailings import make_owner
from tests.support.waiting import eventually


@pytest.fixture
def owner(database):
    """A server that has started."""
    with database.begin() as tx:
        return make_owner(tx, "web1:8851", pid=4711)


def execute(database, statement):
    with database.begin() as tx:
        tx.execute(text(statement))


def test_a_list_without_servers_says_how_to_start_one(mailqctl):
    done = mailqctl("server", "list")

    assert (done.code, done.out) == (0, "")
    assert "mailqctl worker" in done.err


@pytest.mark.usefixtures("owner")
def test_a_list_shows_who_lives_where(mailqctl):
    (document,) = mailqctl("server", "list", "--json").document
    table = mailqctl("server", "list").out

    assert (document["server"], document["state"], document["pid"]) == ("web1:8851", "alive", 4711)
    assert (document["slots"], document["num_leased"]) == ({"bulk": 2}, 0)
    assert document["renewed_at"]
    assert all(word in table for word in ("web1:8851", "alive", "4711", "bulk 2"))


@pytest.mark.usefixtures("owner")
def test_a_server_whose_lease_ran_out_is_shown_as_silent_and_cannot_be_drained(mailqctl, database):
    execute(database, "UPDATE server SET lease_until = now() - interval '1 second'")

    assert mailqctl("server", "list", "--json").document[0]["state"] == "silent"
    done = mailqctl("server", "drain", "web1:8851")
    assert done.code == 5
    assert "web1:8851 is silent since" in done.err
    assert "it holds no batch" in done.err


@pytest.mark.usefixtures("owner")
def test_an_unknown_server_is_refused_and_the_known_ones_are_named(mailqctl):
    done = mailqctl("server", "drain", "web9:8851")

    assert done.code == 4
    assert "no server `web9:8851`; known are web1:8851" in done.err


@pytest.mark.usefixtures("owner")
def test_a_server_is_told_to_drain_without_waiting(mailqctl):
    done = mailqctl("server", "drain", "web1:8851", "--no-wait", "--json")

    assert done.code == 0
    assert done.document["state"] == "draining"


def test_draining_waits_until_the_server_has_stopped(mailqctl, database, owner):
    """The server here is a thread that waits to be told."""

    def stop_when_told():
        with database.begin() as tx:
            renewed = servers.renew(tx, owner.server_id, owner.incarnation)
            if renewed.state is State.DRAINING:
                servers.step(tx, owner.server_id, owner.incarnation, State.STOPPED)
            return renewed.state is State.DRAINING

    server = threading.Thread(target=lambda: eventually(stop_when_told))
    server.start()
    done = mailqctl("server", "drain", "web1:8851")
    server.join()

    assert (done.code, done.out) == (0, "server web1:8851 has stopped\n")
    assert "drains" in done.err


def test_a_server_that_is_stopped_already_is_left_as_it_is(mailqctl, database, owner):
    with database.begin() as tx:
        servers.step(tx, owner.server_id, owner.incarnation, State.STOPPED)

    done = mailqctl("server", "drain", "web1:8851")

    assert done.code == 0
    assert "is stopped already, since" in done.err
