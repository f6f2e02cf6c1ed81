"""Whose batches a server may take over."""

from datetime import timedelta

import pytest

from mailq.core.migration_list import MigrationList
from mailq.core.restart import Known, Reason, choose
from mailq.core.server import State

ME = 1


def server(name="web2:8851", *, state=State.ALIVE, runs=True, holds=True, migrate_to=None, number=2):
    return Known(
        id=number,
        name=name,
        incarnation=7,
        state=state,
        lease_runs=runs,
        unheard_for=timedelta(seconds=3),
        holds_batches=holds,
        host=name.partition(":")[0],
        port=8851,
        migrate_to=migrate_to,
    )


def chosen(found, listed="web2:8851", *, dead=False):
    return choose([found], MigrationList.parse(listed), me=ME, dead=lambda _: dead)


@pytest.mark.parametrize("state", [State.ALIVE, State.DRAINING])
def test_a_listed_server_that_is_alive_is_spared(state):
    found = server(state=state)
    assert (chosen(found).take, chosen(found).spared) == ((), (found,))


@pytest.mark.parametrize(
    "found",
    [
        server(runs=False),
        server(state=State.DRAINING, runs=False),
        server(state=State.STOPPED),
        server(state=State.STOPPED, runs=False),
        server(state=State.SILENT, runs=False),
        server(runs=False, holds=False),
    ],
)
def test_a_listed_server_that_is_not_alive_is_taken(found):
    """One that died with nothing in its hands, too: it is then retired, and counts no longer as alive."""
    assert chosen(found).take == ((found, Reason.LISTED),)


def test_one_whose_lease_runs_is_taken_when_it_is_proven_dead():
    found = server()
    assert chosen(found, dead=True).take == ((found, Reason.LISTED),)


@pytest.mark.parametrize("state", [State.STOPPED, State.SILENT])
def test_one_that_has_ended_with_nothing_in_its_hands_is_left_in_peace(state):
    found = chosen(server(state=state, runs=False, holds=False))
    assert (found.take, found.spared) == ((), ())


def test_nobody_else_is_taken_dead_or_not():
    found = chosen(server(runs=False), "web3:8851", dead=True)
    assert (found.take, found.spared) == ((), ())


def test_one_that_an_operator_gave_to_this_server_is_taken_without_a_list():
    found = server(runs=False, migrate_to=ME)
    assert chosen(found, "").take == ((found, Reason.MIGRATED),)
    assert chosen(server(runs=False, migrate_to=3), "").take == ()


def test_a_given_server_that_has_come_back_is_left_alone_without_a_word():
    """An operator gave what it had held, and it starts afresh: that is no mistake of a list."""
    found = chosen(server(migrate_to=ME), "")
    assert (found.take, found.spared) == ((), ())


def test_a_server_never_takes_itself():
    """`host:*` covers it, too."""
    found = chosen(server(number=ME, runs=False), "web2:*", dead=True)
    assert (found.take, found.spared) == ((), ())
