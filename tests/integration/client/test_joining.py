"""Which transactions can be joined, what a producer is told who has none, and that his connection stays as he has set it."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import psycopg2
import psycopg2.extras
import pytest
from psycopg.rows import dict_row
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from mailq import AsyncClient, Client, Mailing, Message
from mailq.errors import Conflict, MailqError, Misconfigured, Unavailable
from mailq.store import migrate
from mailq.store.database import Database
from tests.integration.client.conftest import EACH_KIND, MAILING, Ledger, people
from tests.support.producers import Producer, producing
from tests.support.servers import Databases
from tests.support.waiting import eventually

MESSAGE = Message("ann@people.example", "s", "shop@shop.example", text="t")
DRIVERS = {"psycopg2": psycopg2, "psycopg": psycopg}


@pytest.fixture(params=list(DRIVERS))
def connection(request: pytest.FixtureRequest, database_url: str) -> Iterator[Any]:
    """A connection of each driver."""
    with closing(DRIVERS[request.param].connect(database_url)) as made:
        yield made


def test_autocommit_without_a_transaction_is_refused(connection: Any, ledger: Ledger) -> None:
    """What is submitted would be sent at once, whatever the producer does next. With a transaction that he began himself it is his."""
    connection.autocommit = True
    with pytest.raises(Conflict, match="autocommit"):
        Client(connection).submit(MAILING, people(1))

    connection.cursor().execute("BEGIN")
    Client(connection).submit(MAILING, people(1))
    assert ledger.counts()["mailing"] == 0
    connection.cursor().execute("COMMIT")
    assert ledger.counts()["mailing"] == 1


def test_a_transaction_that_has_failed_is_refused(producer: Producer) -> None:
    """And goes on once it is rolled back."""
    with pytest.raises(Exception, match="no_such"):
        producer.execute("SELECT no_such")
    with pytest.raises(Conflict, match="roll back"):
        producer.client.submit(MAILING, people(1))
    producer.rollback()

    assert producer.client.submit(MAILING, people(1)).created


def test_a_closed_connection_is_refused(connection: Any) -> None:
    """By its name, and not by a driver's words."""
    connection.close()
    with pytest.raises(Conflict, match="closed"):
        Client(connection).send(MESSAGE)


def test_autocommit_of_sqlalchemy_is_refused(database_url: str) -> None:
    """There the savepoint says it."""
    engine = create_engine(database_url.replace("postgresql", "postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection, pytest.raises(Conflict, match="autocommit"):
        Client(connection).send(MESSAGE)
    engine.dispose()


def test_a_session_that_has_failed_is_refused(database_url: str) -> None:
    """It wants to be rolled back before it takes anything."""
    with Session(create_engine(database_url.replace("postgresql", "postgresql+psycopg2"))) as session:
        with pytest.raises(Exception, match="division"):
            session.execute(text("SELECT 1/0"))
        with pytest.raises(Conflict, match="roll"):
            Client(session).send(MESSAGE)


def test_a_scoped_session_is_its_session(database_url: str, ledger: Ledger) -> None:
    """As Flask-SQLAlchemy gives it."""
    scoped = scoped_session(sessionmaker(create_engine(database_url.replace("postgresql", "postgresql+psycopg"))))
    Client(scoped).send(MESSAGE)
    scoped.commit()
    scoped.remove()

    assert ledger.counts()["inbox"] == 1


@pytest.mark.parametrize("given", [object(), 17, None, "ftp://example.org", "mailq"])
def test_what_is_no_door_is_refused(given: object) -> None:
    """When the client is made, with what would be one."""
    for kind in (Client, AsyncClient):
        with pytest.raises(Misconfigured, match=r"Connection|connection"):
            kind(given)


def test_a_connection_to_another_database_is_refused() -> None:
    """A producer who has his data in SQLite needs an outbox."""
    with create_engine("sqlite://").connect() as connection, pytest.raises(Misconfigured, match="outbox"):
        Client(connection).send(MESSAGE)


def test_whatever_a_connection_makes_of_rows_and_types_ours_are_our_own(database_url: str, ledger: Ledger) -> None:
    """Dictionaries for rows, JSON as text: as Django has it. And theirs are as before."""
    with closing(psycopg2.connect(database_url, cursor_factory=psycopg2.extras.RealDictCursor)) as one:
        psycopg2.extras.register_default_jsonb(one, loads=lambda value: value)
        _use(Client(one))
        with one.cursor() as cursor:
            cursor.execute("""SELECT '{"a": 1}'::jsonb AS found""")
            assert cursor.fetchone() == {"found": '{"a": 1}'}
        one.commit()
    with closing(psycopg.connect(database_url, row_factory=dict_row, cursor_factory=psycopg.ClientCursor)) as three:
        three.adapters.register_loader("jsonb", psycopg.types.string.TextLoader)
        _use(Client(three))
        assert three.execute("""SELECT '{"a": 1}'::jsonb AS found""").fetchone() == {"found": '{"a": 1}'}
        three.commit()

    assert ledger.counts()["mailing"] == 2


def _use(client: Client) -> None:
    submitted = client.submit(MAILING, people(3))
    assert client.progress(submitted.id).num_profiles == 3
    assert [each.seq for each in client.deliveries(submitted.id)] == [1, 2, 3]
    assert client.message(client.send(MESSAGE).id).state == "accepted"


def test_a_latin_1_connection_stores_every_letter(database_url: str, ledger: Ledger) -> None:
    """COPY is told the encoding."""
    with closing(psycopg2.connect(database_url)) as connection:
        connection.set_client_encoding("LATIN1")
        Client(connection).submit(
            Mailing("n", "s", "a@shop.example", text="t"), [{"address": "a@x.example", "variables": {"n": "Grüße"}}]
        )
        connection.commit()

    assert ledger.rows("SELECT variables FROM delivery") == [({"n": "Grüße"},)]


def test_two_connections_at_once_make_one_mailing_of_a_key(database_url: str, ledger: Ledger) -> None:
    """The second one waits for the first, and finds its mailing."""
    keyed = Mailing("Sale", "s", "a@shop.example", text="t", key="spring")
    answers: list[Any] = []
    with producing("psycopg2", database_url) as first, producing("psycopg", database_url) as second:
        made = first.client.submit(keyed, people(300))
        waiting = threading.Thread(target=lambda: answers.append(second.client.submit(keyed, people(300))))
        waiting.start()
        eventually(lambda: ledger.rows("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT%'"))
        first.commit()
        waiting.join(timeout=20)
        second.commit()

    assert [(each.id, each.created) for each in answers] == [(made.id, False)]
    assert ledger.counts() == {"mailing": 1, "batch": 1, "delivery": 300, "inbox": 0}


def test_the_rollback_of_one_leaves_the_key_to_the_other(database_url: str, ledger: Ledger) -> None:
    """Who waited makes it after all."""
    keyed = Mailing("Sale", "s", "a@shop.example", text="t", key="spring")
    answers: list[Any] = []
    with producing("psycopg2", database_url) as first, producing("psycopg", database_url) as second:
        first.client.submit(keyed, people(300))
        waiting = threading.Thread(target=lambda: answers.append(second.client.submit(keyed, people(200))))
        waiting.start()
        eventually(lambda: ledger.rows("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT%'"))
        first.rollback()
        waiting.join(timeout=20)
        second.commit()

    assert [each.created for each in answers] == [True]
    assert ledger.counts()["delivery"] == 200


GRANTS = """
GRANT SELECT ON organization, mailing_books, contact_history, schema_revision TO shop;
GRANT SELECT, INSERT, UPDATE ON mailing TO shop;
GRANT SELECT, INSERT ON batch, delivery, inbox TO shop;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO shop;
"""


@contextmanager
def a_role_with(database: Database, grants: str) -> Iterator[str]:
    """The URL of a user of the database who may do this alone."""
    with database.begin() as tx:
        tx.execute(text("CREATE ROLE shop LOGIN PASSWORD 'secret'"))
        tx.execute(text(grants))
    try:
        yield database.url.set(drivername="postgresql", username="shop", password="secret").render_as_string(hide_password=False)
    finally:
        with database.begin() as tx:
            tx.execute(text("DROP OWNED BY shop"))
            tx.execute(text("DROP ROLE shop"))


@pytest.mark.parametrize("kind", EACH_KIND)
def test_missing_permissions_are_told_in_words(kind: str, database: Database) -> None:
    """What is missing, and no traceback of a driver."""
    with a_role_with(database, "GRANT SELECT ON organization TO shop") as url, producing(kind, url) as producer:
        with pytest.raises(
            Misconfigured, match=r"may not do what a producer does: permission denied for (table|sequence) mailing"
        ):
            producer.client.submit(MAILING, people(1))
        producer.rollback()


@pytest.mark.parametrize("kind", ["psycopg2", "async-session-asyncpg"])
def test_a_producer_needs_no_more_than_the_page_says(kind: str, database: Database, ledger: Ledger) -> None:
    """Of a partition that is made next month he has no rights, and needs none."""
    with a_role_with(database, GRANTS) as url, producing(kind, url) as producer:
        submitted = producer.client.submit(MAILING, [*people(3), "nobody"])
        producer.client.send(MESSAGE)
        producer.commit()
        assert producer.client.progress(submitted.id).num_skipped == 1
        producer.rollback()

    assert ledger.counts() == {"mailing": 1, "batch": 1, "delivery": 4, "inbox": 1}


def test_a_missing_partition_is_told_in_words(database: Database, database_url: str) -> None:
    """It is a server's upkeep that makes them, and a producer's transaction must not hold that lock."""
    with database.begin() as tx:
        for (name,) in tx.execute(
            text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'delivery'::regclass")
        ).all():
            tx.execute(text(f"DROP TABLE {name}"))
    with producing("psycopg2", database_url) as producer, pytest.raises(Unavailable, match="no worker server has run"):
        producer.client.submit(MAILING, people(1))


@pytest.fixture
def in_a_schema(databases: Databases) -> Iterator[str]:
    """A database whose `mail "q` schema is mailq's, and where the app has a table `mailing` of its own."""
    url = databases.create_empty()
    database = Database(url, schema='mail "q')
    migrate.upgrade(database)
    database.close()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE mailing (app integer); CREATE TABLE app_order (number integer)")
    yield url
    databases.drop(url)


@pytest.mark.parametrize("kind", EACH_KIND)
def test_a_schema_of_our_own_is_looked_into_and_left(kind: str, in_a_schema: str) -> None:
    """Their search path is theirs again after every call, their tables are never taken for ours, and a temporary one hides none."""
    with producing(kind, in_a_schema, schema='mail "q') as producer:
        producer.execute("CREATE TEMPORARY TABLE batch (trap integer)")
        producer.execute("""SET search_path = public, "$user" """)
        submitted = producer.client.submit(MAILING, people(1100))
        assert producer.client.progress(submitted.id).num_profiles == 1100
        with pytest.raises(MailqError):
            producer.client.progress("mlg_not_there")
        assert producer.execute("SHOW search_path") == [('public, "$user"',)]
        producer.execute("INSERT INTO mailing VALUES (1)")
        producer.commit()
        if "session" not in kind:  # its next transaction is over another connection
            assert producer.execute("SHOW search_path") == [('public, "$user"',)]
        assert producer.execute('SELECT count(*) FROM "mail ""q".delivery') == [(1100,)]
        assert producer.execute("SELECT count(*) FROM mailing") == [(1,)]


def test_tables_that_are_elsewhere_are_missed_in_words(in_a_schema: str) -> None:
    """Without the schema's name they are not found; with a wrong one neither."""
    for schema in (None, "elsewhere"):
        with producing("psycopg", in_a_schema, schema=schema) as producer, pytest.raises(Misconfigured, match="db upgrade"):
            producer.client.submit(MAILING, people(1))


def test_nothing_secret_is_shown() -> None:
    """Where the database is away the words name its address without the password."""
    client = Client("postgresql://shop:hunter2@127.0.0.1:1/shop")
    with pytest.raises(Unavailable) as raised:
        client.send(MESSAGE)
    assert "127.0.0.1:1" in str(raised.value)
    assert "hunter2" not in str(raised.value) + repr(client)


def test_a_lost_connection_is_told_in_words(database: Database, producer: Producer) -> None:
    """In the middle of what a producer does."""
    (pid,) = producer.execute("SELECT pg_backend_pid()")[0]
    with database.begin() as tx:
        tx.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
    with pytest.raises((Unavailable, Conflict)):
        producer.client.submit(MAILING, people(1))
