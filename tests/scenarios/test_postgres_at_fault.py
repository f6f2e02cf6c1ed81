"""PostgreSQL goes away in the middle of a window, or loses the reply to a COMMIT: what the relay answered is not forgotten."""

import pytest

from mailq.errors import Unavailable
from mailq.local import place
from mailq.local.postgres import Postgres
from mailq.local.supervisor import Supervisor
from mailq.store import migrate
from mailq.store.database import Database
from tests.scenarios.cutting import CuttingProxy
from tests.scenarios.ledgers import ledgers_agree
from tests.support.servers import temporary_home
from tests.support.waiting import eventually


@pytest.mark.parametrize(
    "marker",
    [
        pytest.param(b"SET watermark", id="of a window"),
        pytest.param(b"UPDATE batch SET state", id="of a claim or release", marks=pytest.mark.slow),
    ],
)
def test_a_commit_whose_reply_was_lost_is_not_done_twice(submit, start_server, sink, database_url, marker):
    """`ledger_no` tells whether it took place; a claim of which nobody knows is reclaimed before the next one."""
    proxy = CuttingProxy(database_url)
    sink.rules("delay=20ms")
    start_server(database_url=proxy.url, upkeep__ring_again_after="1s")
    posted = submit(300, batch_size=100)
    eventually(lambda: len(sink.accepted) >= 20)

    proxy.cut(3, after=marker)

    eventually(lambda: posted.finished, within=30)
    assert ledgers_agree(posted, sink).num_sent == 300
    assert proxy.num_cut == 3
    proxy.close()


def test_a_claim_whose_reply_was_lost_does_not_keep_the_last_batch(submit, start_server, sink, database_url):
    """No further ring comes to remind the process: it looks for itself what it holds by the books."""
    proxy = CuttingProxy(database_url)
    start_server(concurrency=1, database_url=proxy.url)
    proxy.cut(1, after=b"UPDATE batch SET state")

    posted = submit(30)

    eventually(lambda: posted.finished, within=10)
    assert proxy.num_cut == 1
    assert ledgers_agree(posted, sink).num_sent == 30
    proxy.close()


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
def database_url(request):
    """For the tests that restart it, the private server; else the usual one."""
    if "restartable" not in request.fixturenames:
        databases = request.getfixturevalue("databases")
        url = databases.create()
        yield url
        databases.drop(url)
        return
    _, start = request.getfixturevalue("restartable")
    request.node.child, url = start()
    fresh = Database(url, application="tests")
    migrate.upgrade(fresh)
    fresh.close()
    yield url


@pytest.mark.slow
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
