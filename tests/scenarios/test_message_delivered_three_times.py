"""A Celery message arrives three times, late, or for a batch that is none of this server's business: no book changes."""

import pytest

from mailq.broker.doorbell import CeleryDoorbell
from mailq.core.batch import State
from mailq.core.mailing import Lane
from mailq.engine import steering
from mailq.engine.ports import Ring
from tests.scenarios.ledgers import ledgers_agree
from tests.support.waiting import eventually

QUEUE = "mailq.bulk"


def test_the_very_same_message_three_times_sends_a_batch_once(submit, start_server, broker, sink):
    """Same task id, same delivery tag, as Redis repeats it after a restored connection."""
    sink.rules("delay=20ms")
    posted = submit(200, batch_size=100)
    for message in broker.queue(QUEUE) * 2:
        broker.redis.lpush(f"{QUEUE}\x06\x166", message)
    assert len(broker.queue(QUEUE)) == 6

    server = start_server()

    eventually(lambda: posted.finished, within=15)
    eventually(lambda: server.log.count("nothing to claim") >= 4)
    assert ledgers_agree(posted, sink).num_sent == 200


@pytest.mark.slow
def test_rings_for_a_batch_under_way_find_nothing_to_claim(submit, start_server, broker, sink):
    """The second worker process asks while the first one waits for one slow answer."""
    sink.rules("address=r60@* delay=5s")
    server = start_server()
    posted = submit(60, batch_size=60)
    eventually(lambda: len(sink.accepted) >= 5)

    ring(broker, posted.batches()[0][0], times=3)

    eventually(lambda: server.log.count("nothing to claim") >= 3)
    assert not posted.finished
    eventually(lambda: posted.finished, within=15)
    assert ledgers_agree(posted, sink).num_sent == 60


@pytest.mark.slow
def test_rings_for_a_finished_batch_and_for_no_batch_at_all_change_nothing(submit, start_server, broker, sink):
    """Late ones, and one of another installation that shares the broker by mistake."""
    server = start_server()
    posted = submit(20)
    eventually(lambda: posted.finished)

    ring(broker, posted.batches()[0][0], times=3)
    ring(broker, 10**12, times=3)

    eventually(lambda: server.log.count("nothing to claim") >= 6)
    assert ledgers_agree(posted, sink).num_sent == 20


@pytest.mark.slow
def test_a_ring_for_a_paused_mailings_batch_does_not_wake_it(submit, start_server, broker, sink, database):
    """The ring says "look"; whether it may be sent is said by Postgres."""
    server = start_server()
    posted = submit(20, ring=False)
    steering.pause(database, posted.public_id)

    ring(broker, posted.batches()[0][0], times=3)

    eventually(lambda: server.log.count("nothing to claim") >= 3)
    assert posted.batches()[0][1] is State.READY
    assert ledgers_agree(posted, sink).num_pending == 20


def ring(broker, batch_id, *, times):
    """Put so many rings for a batch on the bulk queue."""
    CeleryDoorbell(broker.url).ring([Ring(batch_id, Lane.BULK, "again")] * times)
