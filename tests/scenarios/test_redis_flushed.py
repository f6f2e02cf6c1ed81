"""Redis is flushed in the middle of a mailing: the rings on the way are gone, and nothing else is."""

import pytest

from tests.scenarios.ledgers import ledgers_agree
from tests.support.waiting import eventually


def test_a_flush_delays_the_mailing_by_a_tick_and_no_more(submit, start_server, broker, sink):
    """The generation key tells upkeep that its rings are gone. Rings are never repeated here by their age."""
    sink.rules("delay=30ms")
    start_server(upkeep__ring_again_after="1h")
    posted = submit(600, batch_size=100)

    for accepted in (20, 250):
        eventually(lambda accepted=accepted: len(sink.accepted) >= accepted)
        broker.flush()

    eventually(lambda: posted.finished, within=20)
    assert ledgers_agree(posted, sink).num_sent == 600


@pytest.mark.slow
def test_a_server_that_idles_hears_rings_after_a_flush(submit, start_server, broker, sink):
    """Its consumer waits on a queue whose binding is gone with everything else."""
    start_server()
    first = submit(20)
    eventually(lambda: first.finished)

    broker.flush()
    second = submit(20, key="second")

    eventually(lambda: second.finished)
