"""PostgreSQL is restarted in the middle of a window: what the relay answers meanwhile is not forgotten."""

import pytest

from mailq.errors import Unavailable
from mailq.local import place
from mailq.local.postgres import Postgres
from mailq.local.supervisor import Supervisor
from mailq.store import migrate
from mailq.store.database import Database
from tests.scenarios.ledgers import ledgers_agree
from tests.support.servers import temporary_home
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def restartable():
    """A PostgreSQL of this module's own, whose port stays over restarts: (supervisor, the way to start it)."""
    with temporary_home() as home:
        supervisor = Supervisor(home / "log")
        server = Postgres(place.find(home), overrides={"fsync": "off"})
        try:
            yield supervisor, lambda: server.start(supervisor)
        finally:
            supervisor.stop()


@pytest.fixture
def database_url(request, restartable):
    """The private server, started."""
    _, start = restartable
    request.node.child, url = start()
    fresh = Database(url, application="tests")
    migrate.upgrade(fresh)
    fresh.close()
    return url


def test_a_restart_of_postgres_in_the_middle_of_a_window_loses_no_answer(restartable, request, submit, start_server, sink):
    """The ledger waits for it; the server, its warden and its processes are the same as before."""
    supervisor, start = restartable
    sink.rules("delay=20ms")
    server = start_server()
    posted = submit(300, batch_size=100)
    eventually(lambda: len(sink.accepted) >= 30)
    processes = {server.pid, server.warden.pid, *(child.pid for child in server.children)}

    supervisor.stop_child(request.node.child)
    eventually(lambda: "ledger.commit_unanswered" in server.log)
    start()

    eventually(lambda: answered(posted), within=30)
    assert ledgers_agree(posted, sink).num_sent == 300
    assert {server.pid, server.warden.pid, *(child.pid for child in server.children)} == processes


def answered(posted):
    """Whether the mailing is finished; a connection of ours that died with the server is no answer."""
    try:
        return posted.finished
    except Unavailable:
        return False
