"""How a worker server ends: told by a signal, by an operator from afar, or by Ctrl-C."""

import signal

import pytest

from mailq.core.server import State
from mailq.store import fleet
from tests.support.fleets import seen, settled
from tests.support.gateway import Gateway
from tests.support.waiting import eventually


def test_a_server_that_is_told_to_drain_stops_by_itself(start_brisk, database):
    """It hears of it at its next renewal."""
    server = start_brisk()
    with database.begin() as tx:
        assert fleet.drain(tx, seen(database).standing.server_id)
    assert seen(database).state is State.DRAINING

    assert server.wait_ended() == 0
    assert seen(database).state is State.STOPPED
    assert "server.told_to_drain" in server.log
    assert "Traceback" not in server.log


def test_ctrl_c_ends_a_server_with_the_shells_exit_code_for_it(start_server, database):
    """To the whole group, as a terminal sends it."""
    server = start_server()

    server.process.send(signal.SIGINT, group=True)

    assert server.wait_ended() == 130
    assert seen(database).state is State.STOPPED
    assert "Traceback" not in server.log


def test_a_second_sigterm_is_not_a_kill(start_brisk, database):
    """A worker process that is not ready yet is waited for, however often somebody asks; the books say at once that it drains."""
    server = start_brisk()
    settled(database)
    stopped = server.children[0]
    stopped.send_signal(signal.SIGSTOP)

    for _ in range(3):
        server.terminate(group=True)
    eventually(lambda: seen(database).state is State.DRAINING, within=4)
    assert server.alive
    assert stopped in server.children

    server.process.send(signal.SIGCONT, group=True)
    assert server.wait_ended() == 0
    assert seen(database).state is State.STOPPED


@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_pools_without_processes_are_refused_with_a_reason(start_server, pool):
    """What hangs in a thread cannot be killed without the others."""
    server = start_server(wait=False, options=["-P", pool])

    assert server.process.child.process.wait(30) == 78
    server.process.child.stopped = True
    assert "use prefork" in server.log
    assert "Traceback" not in server.log


@pytest.mark.slow
def test_a_redis_that_says_nothing_keeps_no_server_that_is_told_to_stop(start_server, broker, database):
    """Celery would wait for a dozen answers, one after another."""
    with Gateway(broker.url) as redis:
        server = start_server(redis_url=redis.url)
        redis.fall_silent()

        server.terminate(group=True)

        assert server.wait_ended(within=15) == 0
        assert "server.gives_broker_up" in server.log
        assert seen(database).state is State.STOPPED


@pytest.mark.slow
def test_a_server_ends_with_a_word_and_a_code_if_it_cannot_even_leave(start_server, database_url):
    """Its database fell silent for good. The lease runs out by itself, and whoever looks at the exit code knows that nothing was noted."""
    with Gateway(database_url) as postgres:
        server = start_server(database_url=postgres.url, stop_grace="1s", relay__dot_timeout="5s")
        stopped = server.children[0]
        stopped.send_signal(signal.SIGSTOP)
        postgres.fall_silent()

        server.terminate(group=True)

        assert server.wait_ended(within=25) in {0, 69}
        assert "server.gives_worker_up" in server.log
        assert ("server.ends_without_leave" in server.log) or ("server.stop_not_noted" in server.log)
