"""Two servers are restarted one after the other in the middle of a mailing, as a deploy does."""

import pytest

from tests.scenarios.brisk import SESSIONS
from tests.scenarios.holdings import held_by
from tests.scenarios.ledgers import ledgers_agree
from tests.support.waiting import eventually


@pytest.mark.slow
def test_the_mailing_keeps_moving_and_nothing_is_lost_doubled_or_in_doubt(submit, start_pair, sink, database):
    """While one is down the other one sends, and takes its batches where they were left."""
    sink.rules("delay=300ms")
    servers = start_pair(relay__sessions=SESSIONS, lease__heartbeat="500ms")
    posted = submit(2_000, batch_size=100)
    eventually(lambda: held_by(database, "one") and held_by(database, "two"), within=20)

    for server in servers:
        server.terminate(group=True)
        assert server.wait_ended() == 0
        sent = len(sink.accepted)
        eventually(lambda sent=sent: len(sink.accepted) >= sent + SESSIONS)
        server.start_again()
        eventually(lambda server=server: held_by(database, server.worker_name), within=20)

    assert not posted.finished
    sink.rules()
    eventually(lambda: posted.finished, within=30)
    books = ledgers_agree(posted, sink)
    assert (books.num_sent, books.num_in_doubt) == (2_000, 0)
