"""A web app commits its row and its mail in one transaction: both are there, and the mail arrives; or neither ever was."""

import psycopg
import psycopg2
import pytest
from sqlalchemy import text

from mailq import Client, Mailing, Message, Recipient
from mailq.store import migrate
from mailq.store.database import Database
from tests.support.waiting import eventually

SALE = Mailing("the sale", "Hello {{ name }}", "Shop <shop@mailq.example>", text="Dear {{ name }},\n\n.the sale begins.\n")
SCHEMA = 'the "mail" room'


@pytest.fixture
def in_a_schema(databases):
    """A database whose tables of mailq are in a schema of their own, and where the app has a `mailing` of its own."""
    url = databases.create_empty()
    database = Database(url, schema=SCHEMA)
    migrate.upgrade(database)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE mailing (app integer)")
    yield database
    database.close()
    databases.drop(url)


def url_of(database):
    return database.url.set(drivername="postgresql").render_as_string(hide_password=False)


def test_a_row_and_its_mail_are_committed_together_and_the_mail_arrives(start_server, sink, database_url):
    """No Redis in the producer's hands, and nobody but his commit says that it may be sent."""
    start_server(queues="mailq.bulk,mailq.transactional")
    connection = psycopg2.connect(database_url)
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE customer_order (number integer)")
    connection.commit()
    client = Client(connection)

    for number in range(1, 5):
        cursor.execute("INSERT INTO customer_order VALUES (%s)", (number,))
        client.send(Message(f"r{number}@example.com", f"Order {number}", "shop@mailq.example", text="Thank you.\n"))
        if number % 2:
            connection.commit()
        else:
            connection.rollback()
    client.submit(SALE, [Recipient(f"s{each}@example.com", {"name": f"Name {each}"}) for each in range(300)])
    connection.commit()
    eventually(lambda: len(sink.accepted) == 302, within=30)

    cursor.execute("SELECT number FROM customer_order ORDER BY number")
    ordered = {f"r{number}@example.com" for (number,) in cursor.fetchall()}
    connection.close()
    assert ordered == {"r1@example.com", "r3@example.com"}
    assert {mail.recipient for mail in sink.accepted} == ordered | {f"s{each}@example.com" for each in range(300)}


def test_everything_works_in_a_schema_of_its_own(start_server, sink, in_a_schema):
    """Claims, partitions, streams, the leader's ear and the books, beside tables of the app that have the same names."""
    url = url_of(in_a_schema)
    start_server(queues="mailq.bulk,mailq.transactional", database_url=url, database_schema=SCHEMA)
    with psycopg.connect(url) as connection:
        client = Client(connection, schema=SCHEMA)
        connection.execute("INSERT INTO mailing VALUES (1)")
        sale = client.submit(SALE, [Recipient(f"s{each}@example.com", {"name": f"Name {each}"}) for each in range(500)])
        thanks = client.send(Message("ann@example.com", "Order", "shop@mailq.example", text="Thank you.\n"))
    with Client(url, schema=SCHEMA) as client:
        eventually(lambda: client.progress(sale.id).state == "finished", within=30)
        eventually(lambda: client.message(thanks.id).state == "sent", within=30)
        progress = client.progress(sale.id)

    assert progress.num_sent == 500
    assert len(sink.accepted) == 501
    with in_a_schema.begin() as tx:
        assert tx.execute(text("SELECT count(*) FROM public.mailing")).scalar_one() == 1
        elsewhere = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'mailing'"
        assert tx.execute(text(elsewhere)).scalar_one() == 0
