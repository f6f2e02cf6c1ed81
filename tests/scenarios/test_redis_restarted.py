"""Redis goes away under a busy worker and comes back: the batch goes on meanwhile, the worker lives, rings are heard again."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from mailq.core.batch import State as BatchState
from mailq.core.mailing import State
from mailq.store.tables import installation
from tests.scenarios.ledgers import ledgers_agree
from tests.support.waiting import eventually


def test_a_busy_worker_survives_a_restart_of_redis(submit, start_server, broker, sink):
    """One process works, one waits for a ring: there kombu 5.7.0 ends the worker, but for our guard."""
    sink.rules("delay=50ms")
    server = start_server()
    posted = submit(200, batch_size=200)
    eventually(lambda: len(sink.accepted) >= 20)
    processes = {server.pid, *(child.pid for child in server.children)}

    broker.stop()

    eventually(lambda: "Trying to re-establish the connection" in server.log or "onnection to broker lost" in server.log)
    sent_while_away = len(sink.accepted)
    eventually(lambda: len(sink.accepted) >= sent_while_away + 20)
    broker.start()
    eventually(lambda: posted.finished, within=20)
    second = submit(50, key="second")
    eventually(lambda: second.finished, within=20)

    assert {server.pid, *(child.pid for child in server.children)} == processes
    assert ledgers_agree(posted, first_of(sink, 200)).num_sent == 200
    assert second.books.num_sent == 50


@pytest.mark.slow
def test_what_is_submitted_while_redis_is_away_goes_out_when_it_is_back(submit, start_server, broker, sink):
    """The ring fails and the submit does not; upkeep rings at its next tick, and not after the age of a lost ring."""
    start_server(upkeep__ring_again_after="1h")
    broker.stop()

    posted = submit(60, batch_size=30)
    assert posted.books.num_pending == 60
    broker.start()

    eventually(lambda: posted.finished, within=20)
    assert ledgers_agree(posted, sink).num_sent == 60


@pytest.mark.slow
def test_rings_that_redis_refused_are_rung_at_the_next_tick(submit, start_server, broker, sink, database):
    """It was full, or away for a moment with its data: its generation stays, so nothing tells of the rings but their failure."""
    start_server(upkeep__ring_again_after="1h")
    eventually(lambda: known_generation(database))
    broker.redis.config_set("maxmemory", 1)
    try:
        posted = submit(60, batch_size=30)
    finally:
        broker.redis.config_set("maxmemory", 0)

    eventually(lambda: posted.finished, within=20)
    assert ledgers_agree(posted, sink).num_sent == 60


def test_upkeep_keeps_the_books_while_redis_is_away(submit, start_server, broker, sink):
    """What needs no ring is done without one: a mailing past its time expires."""
    start_server()
    broker.stop()
    posted = submit(60, batch_size=30, expires_at=datetime.now(UTC) + timedelta(seconds=1))

    eventually(lambda: posted.state is State.EXPIRED and posted.books.num_skipped == 60, within=20)
    assert not sink.accepted


@pytest.mark.slow
def test_a_server_stops_cleanly_while_redis_is_away(submit, start_server, broker, sink):
    """Its batch is handed back: Postgres is all it needs for that."""
    sink.rules("delay=50ms")
    server = start_server()
    posted = submit(200, batch_size=200)
    eventually(lambda: len(sink.accepted) >= 20)

    broker.stop()
    server.terminate(group=True)

    server.wait_ended(within=20)
    assert ledgers_agree(posted, sink).num_in_doubt == 0
    assert posted.batches()[0][1] is BatchState.READY


def known_generation(database):
    """The generation of the broker's data that upkeep has noted."""
    with database.begin() as tx:
        return tx.execute(select(installation.c.doorbell_generation)).scalar_one()


def first_of(sink, number):
    """What the sink had accepted when it had accepted so many."""
    return SimpleNamespace(accepted_recipients=sink.accepted_recipients[:number])
