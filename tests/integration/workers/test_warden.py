"""A server without its warden would stand still: its lease would run out, and nothing would be rung for again."""

import signal

import pytest

from mailq.core.server import State
from tests.support.fleets import seen, settled
from tests.support.waiting import eventually


def test_a_killed_warden_is_replaced_before_the_lease_runs_out(start_brisk, database):
    """The main process sees at its next pulse that it is gone; the incarnation goes on."""
    server = start_brisk(lease__ttl="20s")
    settled(database)
    died = server.warden

    died.kill()

    eventually(lambda: server.log.count("warden.started") == 2)
    eventually(lambda: server.warden.pid != died.pid)
    before = seen(database)
    eventually(lambda: seen(database).standing.beat > before.standing.beat, within=20)
    assert seen(database).standing.incarnation == 1
    assert "warden.died" in server.log


def test_a_stopped_warden_is_killed_and_replaced_and_the_server_rejoins(start_short, database):
    """Its lease has run out meanwhile, and never revives: the server goes on as its next incarnation."""
    server = start_short()
    before = settled(database)
    stopped = server.warden

    stopped.send_signal(signal.SIGSTOP)

    eventually(lambda: seen(database).state is State.SILENT)
    eventually(lambda: seen(database).state is State.ALIVE, within=20)
    assert seen(database).standing.incarnation > before
    assert not stopped.is_running()
    assert "warden.stands_still" in server.log
    assert "server.rejoined" in server.log


@pytest.mark.slow
def test_a_server_whose_main_process_stands_still_gets_no_renewal_and_rejoins_when_it_wakes(start_short, database):
    """A zombie: stopped for longer than its lease, then awake again."""
    server = start_short()
    before = settled(database)
    main = server.process.child.process

    main.send_signal(signal.SIGSTOP)
    try:
        eventually(lambda: seen(database).state is State.SILENT)
        assert "server.main_process_stands_still" in server.log
    finally:
        main.send_signal(signal.SIGCONT)

    eventually(lambda: seen(database).state is State.ALIVE)
    assert seen(database).standing.incarnation > before


@pytest.mark.slow
def test_a_whole_server_that_stalls_past_its_lease_rejoins_when_it_wakes(start_short, database):
    """Everything of it is stopped, as a suspended machine does."""
    server = start_short()
    before = settled(database)

    server.process.send(signal.SIGSTOP, group=True)
    server.process.child.stopped = False
    try:
        eventually(lambda: seen(database).state is State.SILENT)
    finally:
        server.process.send(signal.SIGCONT, group=True)

    eventually(lambda: seen(database).state is State.ALIVE)
    assert seen(database).standing.incarnation > before
    assert server.alive


@pytest.mark.slow
def test_a_server_keeps_its_incarnation_through_an_outage_of_redis(start_brisk, database, broker):
    """Celery's own heartbeat stops then; the pulse does not."""
    start_brisk()
    before = seen(database).standing.beat

    broker.stop()

    eventually(lambda: seen(database).standing.beat > before + 8)
    assert seen(database).standing.incarnation == 1


def test_warden_and_worker_processes_die_with_their_main_process_though_they_are_stopped(start_short, database):
    """The kernel kills them: who is stopped reads no pipe."""
    server = start_short()
    settled(database)
    family = [server.warden, *server.children]
    for one in family:
        one.send_signal(signal.SIGSTOP)

    server.process.child.stopped = True
    server.process.child.process.kill()

    eventually(lambda: not any(one.is_running() and one.status() != "zombie" for one in family))
