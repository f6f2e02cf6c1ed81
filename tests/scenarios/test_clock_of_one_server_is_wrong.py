"""One of two servers takes today for another day: leases, retries and silence are judged by the database's clock alone."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from mailq.store.tables import delivery
from tests.scenarios.brisk import SESSIONS
from tests.scenarios.holdings import held_by, incarnation
from tests.scenarios.ledgers import ledgers_agree
from tests.support.fleets import seen
from tests.support.waiting import eventually

WRONG_CLOCK = Path(__file__).parent / "wrong_clock"
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    "wrong_by", [pytest.param(-DAY, id="a day behind", marks=pytest.mark.slow), pytest.param(DAY, id="a day ahead")]
)
def test_it_works_beside_another_one_and_nobody_is_robbed_put_off_or_mailed_twice(submit, start_server, sink, database, wrong_by):
    """It leads, too, for it was the first; every recipient is put off once, so that there is a time to be reckoned with."""
    sink.rules("tempfail=451 4.2.1 mailbox busy times=1", "delay=50ms")
    chosen = {"concurrency": 1, "relay__sessions": SESSIONS, "retry__first": "500ms"}
    wrong = start_server("one", python_path=[WRONG_CLOCK], test_wrong_by_s=wrong_by.total_seconds(), **chosen)
    start_server("two", **chosen)
    joined = incarnation(database, "one"), incarnation(database, "two")
    posted = submit(400, batch_size=50)
    eventually(lambda: held_by(database, "one") and held_by(database, "two"), within=20)

    eventually(lambda: posted.finished, within=30)

    books = ledgers_agree(posted, sink)
    assert (books.num_sent, books.num_in_doubt) == (400, 0)
    assert f"{datetime.now(UTC) + wrong_by:%Y-%m-%d}" in wrong.log, "its clock is right"
    assert (incarnation(database, "one"), incarnation(database, "two")) == joined
    with database.begin() as tx:
        settled = select(func.min(delivery.c.settled_at), func.max(delivery.c.settled_at), func.now())
        first, last, now = tx.execute(settled.where(delivery.c.mailing_id == posted.mailing_id)).one()
    assert now - timedelta(minutes=5) < first <= last <= now
    assert abs(seen(database, "one").standing.started_at - now) < timedelta(minutes=5)
