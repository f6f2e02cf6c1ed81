"""SIGTERM to the whole process group in the middle of a batch, as every deploy sends it: nothing is lost, doubled or in doubt."""

import pytest
from sqlalchemy import select

from mailq.core.batch import State
from mailq.core.server import State as ServerState
from mailq.store.tables import server as servers
from tests.scenarios.ledgers import ledgers_agree
from tests.scenarios.looking import num_unanswered_dots
from tests.support.waiting import eventually


def test_a_server_that_is_told_to_stop_hands_its_batches_back_and_the_next_one_finishes(submit, start_server, sink, database):
    """Begin nothing new, wait for replies, settle, hand back, mark the server stopped."""
    sink.rules("delay=50ms")
    server = start_server()
    posted = submit(400, batch_size=200)
    eventually(lambda: len(sink.accepted) >= 30)

    server.terminate(group=True)

    assert server.wait_ended() == 0
    assert {state for _, state in posted.batches()} == {State.READY}
    books = ledgers_agree(posted, sink)
    assert books.num_in_doubt == 0
    assert books.num_sent == len(sink.accepted) < 400
    assert server_state(database, "one") is ServerState.STOPPED

    start_server("two")

    sink.rules()
    eventually(lambda: posted.finished, within=20)
    books = ledgers_agree(posted, sink)
    assert (books.num_sent, books.num_in_doubt) == (400, 0)


@pytest.mark.slow  # a second SIGTERM: tests/integration/workers/test_stop.py
def test_a_second_sigterm_and_a_ctrl_c_change_nothing(submit, start_server, sink):
    """Impatient people and service managers repeat themselves."""
    sink.rules("delay=300ms")
    server = start_server()
    posted = submit(400, batch_size=200)
    eventually(lambda: len(sink.accepted) >= 10)

    server.terminate(group=True)
    server.terminate(group=True)

    server.wait_ended()
    books = ledgers_agree(posted, sink)
    assert books.num_in_doubt == 0
    assert {state for _, state in posted.batches()} == {State.READY}


@pytest.mark.slow
def test_a_server_without_work_stops_at_once(start_server, database):
    """SIGTERM to the main process alone does as well."""
    server = start_server()

    server.terminate(group=False)

    assert server.wait_ended(within=10) == 0
    assert server_state(database, "one") is ServerState.STOPPED


@pytest.mark.slow
def test_replies_that_take_longer_than_the_stop_grace_are_in_doubt(submit, start_server, sink):
    """A relay that says nothing keeps a stopping server no longer than it was told to wait; the dots have left."""
    sink.rules("delay=60s")
    server = start_server(stop_grace="1s", concurrency=1)
    posted = submit(100)
    eventually(lambda: num_unanswered_dots(sink) == 5)

    server.terminate(group=True)
    assert server.wait_ended(within=15) == 0

    books = ledgers_agree(posted, sink)
    assert 5 <= books.num_in_doubt <= 10
    assert {state for _, state in posted.batches()} == {State.READY}

    sink.rules()
    server.start_again()

    eventually(lambda: posted.finished, within=20)
    after = ledgers_agree(posted, sink)
    assert after.num_in_doubt == books.num_in_doubt
    assert after.num_sent == 100 - books.num_in_doubt


def server_state(database, name):
    """How a server stands in the books."""
    with database.begin() as tx:
        return ServerState(tx.execute(select(servers.c.state).where(servers.c.name == name)).scalar_one())
