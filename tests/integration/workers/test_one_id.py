"""Two servers of one id would rob each other of their batches: the second one is refused, or waits for the end of the first."""

import signal

import pytest

from mailq.core.server import State
from tests.support.fleets import seen, settled
from tests.support.waiting import eventually


def refused(server):
    """The last words of a server that must not start."""
    code = server.process.child.process.wait(30)
    server.process.child.stopped = True
    assert code == 5
    return next(line for line in server.log.splitlines() if line.startswith("mailq: server one is "))


@pytest.mark.parametrize("home", ["one", "elsewhere"])
def test_a_second_live_server_of_an_id_is_refused_and_told_who_holds_it(start_brisk, database, home):
    """By its lock file in the same home, by its renewals in another one, as on another host."""
    first = start_brisk()

    words = refused(start_brisk(home=home, wait=False))

    holder = seen(database).standing
    assert f"alive on host {holder.place.host}" in words
    assert f"as process {first.pid} since {holder.started_at:%Y-%m-%d %H:%M:%S} UTC" in words
    assert "MAILQ_SERVER_ID" in words
    assert all(address in words for address in holder.place.addresses)
    assert first.alive
    assert (holder.incarnation, seen(database).state) == (1, State.ALIVE)


def test_a_server_killed_whole_starts_again_at_once(start_server, database):
    """Its lock file proves it dead: no need to wait for its lease of twenty seconds."""
    server = start_server()
    server.kill(signal.SIGKILL)
    assert seen(database).state is State.ALIVE

    server.start_again()

    assert seen(database).standing.incarnation == 2
    assert "server.waits_for_former" not in server.log


@pytest.mark.slow
def test_a_server_that_died_elsewhere_is_replaced_when_its_lease_has_run_out(start_short, database):
    """Another home proves nothing about it."""
    first = start_short()
    first.kill(signal.SIGKILL)
    pid = seen(database).standing.place.pid

    second = start_short(home="elsewhere")

    assert seen(database).standing.place.pid == second.pid != pid


def test_a_server_ends_when_another_start_of_its_id_has_replaced_it(start_short, database):
    """Stopped while its lease ran out, it finds another home's lock in its row when it wakes."""
    first = start_short()
    settled(database)
    first.process.send(signal.SIGSTOP, group=True)
    second = start_short(home="elsewhere")

    first.process.send(signal.SIGCONT, group=True)

    assert first.wait_ended() == 0
    assert "server.replaced" in first.log
    assert second.alive
    assert seen(database).state is State.ALIVE
    assert seen(database).standing.place.pid == second.pid


def test_a_start_waits_for_a_server_of_its_home_that_is_just_stopping(start_brisk, database):
    """As `restart` of an impatient service manager has it."""
    first = start_brisk()
    settled(database)
    first.children[0].send_signal(signal.SIGSTOP)
    first.terminate()
    eventually(lambda: seen(database).state is State.DRAINING)
    second = start_brisk(wait=False)
    eventually(lambda: "server.waits_for_former" in second.log)

    first.process.send(signal.SIGCONT, group=True)

    second.wait_ready()
    assert seen(database).standing.place.pid == second.pid
