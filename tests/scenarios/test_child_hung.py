"""A worker process that is stopped or hangs holds its batch for nothing: its own server kills it when no relay could be waited for."""

import signal

import pytest

from tests.scenarios.holdings import beat, held_by
from tests.scenarios.ledgers import ledgers_agree
from tests.support.waiting import eventually

SESSIONS = 5
BRIEF = {
    f"relay__{wait}_timeout": within for wait, within in (("connect", "1s"), ("command", "1s"), ("data", "1s"), ("dot", "2s"))
}


# Past the longest wait for a relay it has ten seconds more; `tests/integration/engine/test_watch.py` decides the same quickly.
@pytest.mark.slow
def test_a_stopped_child_is_killed_and_its_batch_goes_on_while_the_other_one_works(submit, start_server, sink, database):
    """Stopped, it keeps its connections and its lock; what was on its wire is in doubt, nobody is mailed twice."""
    sink.rules("delay=300ms")
    server = start_server(relay__sessions=SESSIONS, lease__heartbeat="1s", **BRIEF)
    eventually(lambda: beat(database, "one") > 1, within=30)
    posted = submit(800, batch_size=200)
    eventually(lambda: len(sink.accepted) >= 10 and held_by(database, "one") == 2, within=20)
    hung, other = server.children

    hung.send_signal(signal.SIGSTOP)
    sink.rules()

    eventually(lambda: held_by(database, "one", hung.pid) == 0, within=40)
    assert "worker.hung" in server.log
    eventually(lambda: not hung.is_running() or hung.status() == "zombie")
    eventually(lambda: posted.finished, within=30)
    books = ledgers_agree(posted, sink)
    assert books.num_in_doubt <= SESSIONS
    assert books.num_sent + books.num_in_doubt == 800
    assert other.is_running()
