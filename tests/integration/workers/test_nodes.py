"""The nodes stand in pytest-celery's own set-up: what its users know works on them."""

import signal

import pytest

from tests.support.waiting import eventually


def test_celery_setup_is_made_of_our_nodes(celery_setup, server, broker):
    """Its broker, its worker and no backend; the worker answers remote control over the broker."""
    assert celery_setup.broker is broker
    assert celery_setup.worker is server
    assert celery_setup.backend is None
    assert celery_setup.ready(control=True)
    (answer,) = eventually(lambda: celery_setup.app.control.ping(timeout=0.5))
    assert list(answer.values()) == [{"ok": "pong"}]


def test_a_worker_node_is_a_main_process_two_children_and_a_warden(server):
    """All in one process group, which is what the tests signal."""
    processes = server.get_running_processes_info(["pid"])

    assert {row["pid"] for row in processes} == {server.pid, server.warden.pid, *(child.pid for child in server.children)}
    assert len(server.children) == 2
    server.assert_log_exists("ready.")


def test_sigkill_takes_the_whole_node(server):
    """Like `docker kill`: nothing of it is left."""
    family = [server.warden, *server.children]

    server.kill(signal.SIGKILL)

    assert not server.alive
    eventually(lambda: not any(one.is_running() for one in family))


def test_a_restarted_node_is_the_next_incarnation(server):
    """SIGTERM and a new start, with the old log kept."""
    server.restart()

    assert "incarnation=2" in server.log
    assert "incarnation=1" not in server.log
    assert "incarnation=1" in server.logs()


@pytest.mark.slow
def test_every_node_has_a_home_of_its_own(start_server, tmp_path):
    """Two servers of one test share no file."""
    start_server("one")
    start_server("two")

    assert {path.parent.parent.name for path in tmp_path.glob("*/run/*.board")} == {"one", "two"}
