"""`kill -9` of one worker process, as the kernel does when memory is short: its own server notices within a heartbeat."""

import time

from tests.scenarios.holdings import beat, held_by
from tests.scenarios.ledgers import ledgers_agree
from tests.support.waiting import eventually

SESSIONS = 5
HEARTBEAT_S = 5.0
"""As users have it."""


def test_its_batch_is_reclaimed_within_one_heartbeat_and_only_what_was_on_the_wire_is_in_doubt(
    submit, start_server, sink, database
):
    """The journal is at hand: what had begun and was not past its dot is sent again, by the next process."""
    sink.rules("delay=300ms")
    server = start_server(relay__sessions=SESSIONS)
    eventually(lambda: beat(database, "one") > 1, within=30)
    posted = submit(800, batch_size=200)
    eventually(lambda: len(sink.accepted) >= 10 and held_by(database, "one") == 2, within=20)
    killed, other = server.children
    at = time.monotonic()

    killed.kill()

    eventually(lambda: held_by(database, "one", killed.pid) == 0, within=HEARTBEAT_S + 20)
    took_s = time.monotonic() - at
    assert took_s < HEARTBEAT_S + 3, took_s
    sink.rules()
    eventually(lambda: posted.finished, within=20)
    books = ledgers_agree(posted, sink)
    assert books.num_in_doubt <= SESSIONS
    assert books.num_sent + books.num_in_doubt == 800
    assert other.is_running()
    assert len(server.children) == 2
