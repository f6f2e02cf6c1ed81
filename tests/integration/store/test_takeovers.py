"""What the rows say of other servers, and how the lease of one is ended."""

from datetime import timedelta
from threading import Thread

import pytest
from sqlalchemy import text

from mailq.core.server import Place, State
from mailq.store import batches, holdings, servers
from tests.support.mailings import make_mailing, make_owner
from tests.support.waiting import eventually


def age(tx, name, seconds):
    """Let a server's last renewal, and so its lease, be this much older."""
    statement = "UPDATE server SET renewed_at = renewed_at - :by, lease_until = lease_until - :by WHERE name = :name"
    tx.execute(text(statement), {"by": timedelta(seconds=seconds), "name": name})


def one(tx, name="web1:8851"):
    (found,) = [each for each in servers.known(tx) if each.name == name]
    return found


def test_a_server_is_known_with_its_place_and_how_it_stands(tx):
    place = Place("web1", 7, 8851, ("10.0.0.7", "::1"), "/var/lib/mailq", "boot", "nonce")
    server_id, incarnation = servers.start(tx, "web1:8851", place, version="test", slots={})

    found = one(tx)

    assert (found.id, found.incarnation, found.state, found.is_alive) == (server_id, incarnation, State.ALIVE, True)
    assert (found.host, found.port, found.addresses) == (place.host, place.port, place.addresses)
    assert (found.home, found.boot_id, found.lock) == (place.home, place.boot_id, place.lock)
    assert found.unheard_for < timedelta(seconds=5)
    assert not found.holds_batches


def test_a_server_whose_lease_ran_out_is_not_alive_whatever_its_state_says(tx):
    make_owner(tx)
    age(tx, "web1:8851", 21)
    assert (one(tx).state, one(tx).is_alive) == (State.ALIVE, False)


def test_what_its_worker_processes_hold_is_known(tx):
    owner = make_owner(tx, pid=77)
    made = make_mailing(tx, [3, 3])
    held = batches.claim(tx, made.batches[0], owner=owner, journal="nonce")

    assert one(tx).holds_batches
    (found,) = holdings.of_server(tx, owner.server_id)
    assert (found.batch_id, found.fence, found.pid, found.journal) == (held.batch_id, held.fence, 77, "nonce")
    assert found.progressed_at is not None
    assert holdings.number(tx, owner.server_id, until_incarnation=owner.incarnation) == 1
    assert holdings.number(tx, owner.server_id, until_incarnation=owner.incarnation - 1) == 0


@pytest.mark.parametrize("retire", [servers.retire, servers.retire_lapsed])
def test_a_retired_incarnation_neither_claims_nor_renews(tx, retire):
    owner = make_owner(tx)
    made = make_mailing(tx)
    if retire is servers.retire_lapsed:
        age(tx, "web1:8851", 21)

    assert retire(tx, owner.server_id, owner.incarnation)

    assert batches.claim(tx, made.batches[0], owner=owner) is None
    assert servers.renew(tx, owner.server_id, owner.incarnation) is None
    assert (one(tx).state, one(tx).is_alive) == (State.SILENT, False)


def test_a_server_that_lives_is_not_retired_as_lapsed(tx):
    owner = make_owner(tx)
    assert not servers.retire_lapsed(tx, owner.server_id, owner.incarnation)
    assert one(tx).is_alive
    assert servers.renew(tx, owner.server_id, owner.incarnation) is not None


@pytest.mark.parametrize("retire", [servers.retire, servers.retire_lapsed])
def test_a_server_that_has_started_again_is_not_retired(tx, retire):
    owner = make_owner(tx)
    make_owner(tx)
    assert not retire(tx, owner.server_id, owner.incarnation)
    assert one(tx).is_alive


def test_a_server_that_stopped_in_order_stays_so(tx):
    owner = make_owner(tx)
    servers.step(tx, owner.server_id, owner.incarnation, State.STOPPED)
    assert servers.retire_lapsed(tx, owner.server_id, owner.incarnation)
    assert one(tx).state is State.STOPPED


def test_a_retirement_waits_for_a_claim_that_is_under_way(database):
    """The claim shares the row; so its batch is among those that are reclaimed after the retirement."""
    with database.begin() as tx:
        owner = make_owner(tx)
        made = make_mailing(tx)
    ended = []

    def retire():
        with database.begin() as tx:
            ended.append(servers.retire(tx, owner.server_id, owner.incarnation))

    with database.begin() as tx:
        assert batches.claim(tx, made.batches[0], owner=owner) is not None
        retiring = Thread(target=retire)
        retiring.start()
        eventually(lambda: waits_for_a_lock(database))
        assert ended == []
    retiring.join(10)
    assert ended == [True]
    with database.begin() as tx:
        assert holdings.number(tx, owner.server_id, until_incarnation=owner.incarnation) == 1


def waits_for_a_lock(database):
    with database.begin() as tx:
        waiting = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
        return tx.execute(waiting).scalar_one()


def test_the_silent_are_those_unheard_of_for_long_about_whom_something_is_left_to_do(tx):
    make_owner(tx, "alive")
    make_owner(tx, "lately")
    make_owner(tx, "dead")
    ended = make_owner(tx, "ended")
    held = make_owner(tx, "stopped with a batch")
    batches.claim(tx, make_mailing(tx).batches[0], owner=held)
    for owner in (ended, held):
        servers.step(tx, owner.server_id, owner.incarnation, State.STOPPED)
    for name, seconds in (("lately", 25), ("dead", 31), ("ended", 31), ("stopped with a batch", 31)):
        age(tx, name, seconds)

    assert [each.name for each in servers.silent(tx, timedelta(seconds=30))] == ["dead", "stopped with a batch"]


def test_what_an_operator_gave_to_a_server_is_found_by_it_until_the_other_starts_again(tx):
    one_, two = make_owner(tx, "one"), make_owner(tx, "two")
    servers.migrate(tx, one_.server_id, to=two.server_id)
    assert [each.name for each in servers.given_to(tx, two.server_id)] == ["one"]
    make_owner(tx, "one")
    assert servers.given_to(tx, two.server_id) == []
