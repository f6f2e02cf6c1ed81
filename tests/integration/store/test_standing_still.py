"""A process that stands still in the middle of a transaction must not keep its rows from whoever takes over."""

from sqlalchemy import text

from mailq import bootstrap
from mailq.settings import Settings
from mailq.store.database import Database
from tests.support.mailings import make_mailing
from tests.support.waiting import eventually


def test_a_row_is_free_when_its_holder_has_stood_still_for_the_time_that_it_was_given(database, database_url):
    with database.begin() as tx:
        batch_id = make_mailing(tx, [5]).batches[0]
    row = f"SELECT id FROM batch WHERE id = {batch_id} FOR UPDATE"
    still = Database(database_url, idle_timeout_ms=200)

    def is_free():
        with database.begin() as tx:
            return tx.execute(text(f"{row} SKIP LOCKED")).one_or_none()

    with still.engine.connect() as connection:
        connection.execute(text(row))
        assert not is_free()
        eventually(is_free)
        connection.invalidate()
    still.close()


def test_a_process_of_a_server_is_given_as_long_as_its_lease_holds(database_url):
    settings = Settings(database_url=database_url, lease={"ttl": "15s"})
    of_a_server = bootstrap.server_database(settings, application="a server")

    with of_a_server.begin() as tx:
        assert tx.execute(text("SHOW idle_in_transaction_session_timeout")).scalar_one() == "15s"
    of_a_server.close()
