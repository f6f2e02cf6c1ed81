"""The fixtures that all other tests stand on."""

from sqlalchemy import text

from mailq.store import revision
from mailq.store.database import Database

CREATE = text("CREATE TABLE mark (n int)")
TABLES = text("SELECT count(*) FROM pg_tables WHERE tablename = 'mark'")


def test_a_test_gets_a_migrated_database(database):
    """The template stands at the newest revision."""
    assert revision.revision(database).up_to_date


def test_a_test_gets_a_database_of_its_own(database, databases):
    """What one commits another does not see."""
    with database.begin() as tx:
        tx.execute(CREATE)

    other = Database(databases.create())
    with other.begin() as tx:
        assert tx.execute(TABLES).scalar_one() == 0
    other.close()


def test_an_empty_database_is_not_migrated(empty_database_url):
    """It is for tests of the migration itself."""
    empty = Database(empty_database_url)

    assert revision.revision(empty).current is None
    empty.close()


def test_a_transaction_is_rolled_back_part_one(tx):
    """Leaves a table behind, if it can."""
    tx.execute(CREATE)

    assert tx.execute(TABLES).scalar_one() == 1


def test_a_transaction_is_rolled_back_part_two(tx):
    """Finds none of it."""
    assert tx.execute(TABLES).scalar_one() == 0
