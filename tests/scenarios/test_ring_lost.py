"""A ring is lost: popped by a worker that died, or dropped on the way. It costs time, never mail."""

import pytest

from tests.scenarios.ledgers import ledgers_agree
from tests.support.waiting import eventually

QUEUE = "mailq.bulk"


def test_a_batch_whose_ring_was_lost_is_rung_again(submit, start_server, broker, sink):
    """Redis and its generation stay as they are: only the messages vanish."""
    posted = submit(200, batch_size=100)
    assert len(broker.queue(QUEUE)) == 2
    broker.redis.delete(QUEUE, *(f"{QUEUE}\x06\x16{priority}" for priority in (3, 6, 9)))
    assert not broker.queue(QUEUE)

    start_server(upkeep__ring_again_after="1s")

    eventually(lambda: posted.finished, within=15)
    assert ledgers_agree(posted, sink).num_sent == 200


@pytest.mark.slow
def test_a_mailing_that_nobody_rang_for_is_found_by_upkeep(submit, start_server, sink):
    """Its producer died between its commit and the ring."""
    start_server()

    posted = submit(50, ring=False)

    eventually(lambda: posted.finished)
    assert ledgers_agree(posted, sink).num_sent == 50


@pytest.mark.slow
def test_upkeep_survives_its_leader(submit, start_server, sink):
    """`kill -9` of the server whose warden leads: the other one's takes over when the lead has run out, and rings."""
    leader = start_server("one")
    start_server("two", upkeep__ring_again_after="1s")
    leader.kill()

    posted = submit(50, ring=False)

    eventually(lambda: posted.finished, within=20)
    assert ledgers_agree(posted, sink).num_sent == 50
