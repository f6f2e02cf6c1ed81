"""SIGTERM in the middle of a batch while PostgreSQL says nothing: the server ends all the same, and what it sent is not forgotten."""

import pytest

from tests.scenarios.ledgers import ledgers_agree
from tests.support.gateway import Gateway
from tests.support.waiting import eventually


@pytest.mark.slow
def test_what_was_answered_is_settled_by_the_next_start(submit, start_server, sink, database_url):
    """A worker process waits for a commit and would do so for ever; its journal tells the next start what it could not write."""
    sink.rules("delay=30ms")
    with Gateway(database_url) as postgres:
        server = start_server(database_url=postgres.url, stop_grace="1s", concurrency=1)
        posted = submit(400, batch_size=400)
        eventually(lambda: len(sink.accepted) >= 20)
        postgres.fall_silent()

        server.terminate(group=True)

        server.wait_ended(within=25)
        assert "server.gives_worker_up" in server.log
        postgres.speak()
        sink.rules()
        server.start_again()
        eventually(lambda: posted.finished, within=30)

    books = ledgers_agree(posted, sink)
    assert (books.num_sent, books.num_in_doubt) == (400, 0)
