"""The reply to a COMMIT is lost on the way from PostgreSQL: it took place, and what the relay answered is not forgotten."""

import pytest

from tests.scenarios.cutting import CuttingProxy
from tests.scenarios.ledgers import ledgers_agree
from tests.support.waiting import eventually


@pytest.fixture
def proxy(database_url):
    """What stands between a server and its database."""
    proxy = CuttingProxy(database_url)
    yield proxy
    proxy.close()


@pytest.mark.parametrize(
    "marker",
    [
        pytest.param(b"EXECUTE mailq_advance", id="of a window"),
        pytest.param(b"EXECUTE mailq_batch_", id="of a claim or release", marks=pytest.mark.slow),
    ],
)
def test_a_commit_whose_reply_was_lost_is_not_done_twice(submit, start_server, sink, proxy, marker):
    """`ledger_no` tells whether it took place; a claim of which nobody knows is reclaimed before the next one."""
    sink.rules("delay=20ms")
    start_server(database_url=proxy.url, upkeep__ring_again_after="1s")
    posted = submit(300, batch_size=100)
    eventually(lambda: len(sink.accepted) >= 20)

    proxy.cut(3, after=marker)

    eventually(lambda: posted.finished, within=30)
    books = ledgers_agree(posted, sink)
    assert (books.num_sent, books.num_in_doubt) == (300, 0)
    assert proxy.num_cut == 3


@pytest.mark.slow
def test_a_claim_whose_reply_was_lost_does_not_keep_the_last_batch(submit, start_server, sink, proxy):
    """No further ring comes to remind the process: it looks for itself what it holds by the books."""
    start_server(concurrency=1, database_url=proxy.url)
    proxy.cut(1, after=b"EXECUTE mailq_batch_")

    posted = submit(30)

    eventually(lambda: posted.finished, within=10)
    assert proxy.num_cut == 1
    assert ledgers_agree(posted, sink).num_sent == 30
