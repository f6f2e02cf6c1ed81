"""`kill -9` of a whole server, or of one of its processes, in the middle of a batch."""

import os
import signal

import psutil
import pytest

from mailq.core.batch import State
from mailq.core.delivery import State as DeliveryState
from tests.scenarios.ledgers import ledgers_agree
from tests.support.waiting import eventually

SESSIONS = 5
WINDOW = 2 * SESSIONS


@pytest.mark.parametrize("accepted_before", [pytest.param(1, marks=pytest.mark.slow), 120])
def test_the_next_start_of_a_killed_server_takes_over(submit, start_server, sink, accepted_before):
    """What was open when it died is in doubt, at most a window for each process; all others get their mail, nobody two."""
    sink.rules("delay=20ms")
    server = start_server(relay__sessions=SESSIONS)
    posted = submit(400, batch_size=200)
    eventually(lambda: len(sink.accepted) >= accepted_before)

    server.kill()
    assert [state for _, state in posted.batches()].count(State.LEASED) >= 1
    server.start_again()

    eventually(lambda: posted.finished, within=20)
    books = ledgers_agree(posted, sink)
    assert 0 < books.num_in_doubt <= 2 * WINDOW
    assert books.num_sent + books.num_in_doubt == 400
    assert len(posted.addresses(DeliveryState.IN_DOUBT)) == books.num_in_doubt


@pytest.mark.slow  # tests/integration/workers/test_warden.py has it, with processes that are stopped
def test_worker_processes_and_warden_die_with_their_main_process(submit, start_server, sink):
    """`kill -9` of the main process alone: nobody goes on sending for a server that is gone."""
    sink.rules("delay=50ms")
    server = start_server(relay__sessions=SESSIONS)
    posted = submit(400, batch_size=200)
    eventually(lambda: len(sink.accepted) >= 20)
    family = [*server.children, server.warden]

    os.kill(server.pid, signal.SIGKILL)

    server.process.child.stopped = True
    eventually(lambda: not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in family))
    server.start_again()
    sink.rules()
    eventually(lambda: posted.finished, within=20)
    assert ledgers_agree(posted, sink).num_in_doubt <= 2 * WINDOW
