"""What a pass writes touches no index: neither do the deliveries that it settles nor the batch that it counts in."""

from sqlalchemy import text

from tests.benchmarks.scale import hot_share
from tests.support.mailings import books_of, make_mailing
from tests.support.waiting import eventually
from tests.support.workers import hands

BATCHES, SIZE = 4, 500
SESSIONS = 20
_STATISTICS = "SELECT n_tup_upd - n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'batch'"


def test_a_whole_mailing_is_sent_in_place(database, sink):
    """A page has room for every delivery in it once more, and so have those of the batches.

    Ringing for a batch, claiming it and letting go of it change what it is found by; what lies between, its commits, does not.
    """
    with database.begin() as tx:
        made = make_mailing(tx, [SIZE] * BATCHES)
    with hands(database, sink.url, sessions=SESSIONS) as worker:
        worker.work_until_idle()
    assert books_of(database, made).num_sent == BATCHES * SIZE
    assert eventually(lambda: hot_share(database, "delivery") >= 0.95)
    with database.begin() as tx:
        in_indexes = tx.execute(text(_STATISTICS)).scalar_one()
    assert in_indexes <= 3 * BATCHES
