"""Who listens hears of what is committed, once the connection stands."""

import pytest
from sqlalchemy import text

from mailq.errors import Unavailable
from mailq.store.waking import Ear, wake
from tests.support.waiting import eventually

SOON_S = 5.0


@pytest.fixture
def ear(database):
    made = Ear(database)
    assert made.hears(0)
    yield made
    made.close()


def test_a_commit_is_heard_once_however_often_it_says_so(database, ear):
    with database.begin() as tx:
        wake(tx)
        wake(tx)
        assert not ear.hears(0)
    assert ear.hears(SOON_S)
    assert not ear.hears(0)


def test_a_rollback_is_not_heard(database, ear):
    with database.engine.connect() as connection, connection.begin() as producer:
        wake(connection)
        producer.rollback()
    with database.begin() as tx:
        tx.execute(text("SELECT 1"))
    assert not ear.hears(0)


def test_a_connection_that_is_lost_is_made_anew_and_what_it_missed_counts_as_news(database, ear):
    with database.begin() as tx:
        lost = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"
        )
        assert tx.execute(text(lost)).scalar_one()
    with pytest.raises(Unavailable, match="went away"):
        # The server's last words come first, and then the end of the connection.
        eventually(lambda: ear.hears(SOON_S))
    with database.begin() as tx:
        wake(tx)
    assert ear.hears(0)
    assert not ear.hears(0)
    with database.begin() as tx:
        wake(tx)
    assert ear.hears(SOON_S)
