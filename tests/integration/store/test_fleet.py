"""Servers as a start, a warden and an operator see them."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from mailq.core.server import Place, State
from mailq.store import batches, fleet, servers
from tests.support.mailings import make_mailing, make_owner

TTL = timedelta(seconds=20)
PLACE = Place("web1", 4711, 8851, ("10.0.0.7",), "/var/lib/mailq", "boot", "nonce")


def start(tx, name="web1:8851", place=PLACE):
    return servers.start(tx, name, place, version="1.2", slots={"bulk": 2}, ttl=TTL)


def run_out(tx, server_id):
    tx.execute(text("UPDATE server SET lease_until = now() - interval '1 second' WHERE id = :id"), {"id": server_id})


def test_a_server_stands_as_it_started(tx):
    assert fleet.standing(tx, "web1:8851") is None
    server_id, incarnation = start(tx)

    found = fleet.standing(tx, "web1:8851")

    assert (found.server_id, found.incarnation, found.state, found.place) == (server_id, incarnation, State.ALIVE, PLACE)
    assert (found.beat, found.leased, found.lives) == (1, True, True)


def test_a_server_whose_lease_ran_out_rejoins_as_its_next_incarnation(tx):
    """The former one never revives, and its beat never goes back."""
    server_id, incarnation = start(tx)
    run_out(tx, server_id)
    assert servers.renew(tx, server_id, incarnation) is None

    assert fleet.rejoin(tx, server_id, lock="nonce", ttl=TTL) == (incarnation + 1, 2)

    assert servers.renew(tx, server_id, incarnation) is None
    assert servers.renew(tx, server_id, incarnation + 1) == (State.ALIVE, 3)


@pytest.mark.parametrize(("before", "after"), [("silent", State.ALIVE), ("draining", State.DRAINING)])
def test_a_retired_server_comes_back_alive_and_a_draining_one_goes_on_draining(tx, before, after):
    server_id, _ = start(tx)
    tx.execute(text("UPDATE server SET state = :state"), {"state": before})
    run_out(tx, server_id)

    assert fleet.rejoin(tx, server_id, lock="nonce")
    assert fleet.standing(tx, "web1:8851").state is after


def test_a_server_replaced_by_another_start_does_not_rejoin(tx):
    """The row names another lock file now."""
    server_id, _ = start(tx)
    start(tx, place=Place("web2", 1, lock="another"))

    assert fleet.rejoin(tx, server_id, lock="nonce") is None
    assert fleet.standing(tx, "web1:8851").incarnation == 2


def test_a_stopped_server_does_not_rejoin_and_holds_no_lease(tx):
    server_id, incarnation = start(tx)
    servers.step(tx, server_id, incarnation, State.STOPPED)

    assert not fleet.standing(tx, "web1:8851").leased
    assert fleet.rejoin(tx, server_id, lock="nonce") is None


def test_a_retired_incarnation_cannot_step_back_to_draining(tx):
    server_id, incarnation = start(tx)
    servers.retire(tx, server_id, incarnation)

    servers.step(tx, server_id, incarnation, State.DRAINING)

    assert fleet.standing(tx, "web1:8851").state is State.SILENT


def test_a_server_that_lives_is_told_to_drain_and_claims_nothing_more(tx):
    owner, made = make_owner(tx), make_mailing(tx, [1])

    assert fleet.drain(tx, owner.server_id)

    assert not fleet.drain(tx, owner.server_id)
    assert servers.renew(tx, owner.server_id, owner.incarnation).state is State.DRAINING
    assert batches.claim(tx, made.batches[0], owner=owner) is None


def test_a_silent_server_cannot_be_told_anything(tx):
    server_id, _ = start(tx)
    run_out(tx, server_id)

    assert not fleet.drain(tx, server_id)


def test_a_list_shows_each_server_with_what_it_holds_and_calls_a_lapsed_one_silent(tx):
    holder, made = make_owner(tx, "web2:8851", slots={"bulk": 3}), make_mailing(tx, [1, 1])
    assert all(batches.claim(tx, batch_id, owner=holder) for batch_id in made.batches)
    lapsed, _ = start(tx)
    run_out(tx, lapsed)

    first, second = fleet.listed(tx)

    assert (first.standing.name, first.state, first.num_leased, first.version) == ("web1:8851", State.SILENT, 0, "1.2")
    assert (second.standing.name, second.state, second.num_leased, second.slots) == ("web2:8851", State.ALIVE, 2, {"bulk": 3})
    assert [each.standing.name for each in fleet.listed(tx, "web2:8851")] == ["web2:8851"]
