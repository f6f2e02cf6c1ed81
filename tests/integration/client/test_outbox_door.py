"""The door into an outbox: everything is checked when it is written, and goes the way of the producer's transaction."""

import importlib
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from mailq import AsyncClient, Client, Mailing, Message, Outbox, Recipient
from mailq.client.outbox_door import ROW
from mailq.errors import BadInput, Conflict, MailqError, Misconfigured
from mailq.store.outbox_database import OutboxDatabase
from tests.support.asynchronous import in_event_loop

MAILING = Mailing("Sale", "Hi {{ name }}", "Shop <shop@x.example>", text="Dear {{ name }}", key="sale")
MESSAGE = Message("ann@x.example", "Grüße 🎉", "shop@x.example", text="Hello")
ANN = Recipient("ann@x.example", {"name": "Ännchen"})


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A producer's connection to his own database."""
    database = OutboxDatabase(f"sqlite:///{tmp_path}/shop.db")
    database.create()
    database.close()
    connection = sqlite3.connect(tmp_path / "shop.db")
    connection.row_factory = sqlite3.Row
    yield connection
    connection.close()


@pytest.fixture
def client(shop: sqlite3.Connection) -> Client:
    return Client(Outbox(shop))


def rows(shop: sqlite3.Connection) -> list[sqlite3.Row]:
    return shop.execute("SELECT * FROM mailq_outbox ORDER BY id").fetchall()


def test_a_message_is_one_row_in_ascii(client: Client, shop: sqlite3.Connection) -> None:
    """Whatever the producer's database thinks letters are."""
    accepted = client.send(MESSAGE)

    (row,) = rows(shop)
    assert (row["handle"], row["part"], row["kind"], row["state"]) == (accepted.id, 0, "message", "waiting")
    assert row["payload"].isascii()
    assert json.loads(row["payload"])["subject"] == "Grüße 🎉"


def test_a_mailing_is_rows_of_recipients_and_its_head_comes_last(client: Client, shop: sqlite3.Connection) -> None:
    """So it is never seen without all of them."""
    number = 2 * ROW.num_recipients + 1
    submitted = client.submit(MAILING, (Recipient(f"r{n}@x.example", {"name": "Ännchen"}) for n in range(number)))

    found = rows(shop)
    assert [(row["part"], row["kind"], row["state"]) for row in found] == [
        (0, "recipients", "part"),
        (1, "recipients", "part"),
        (2, "recipients", "part"),
        (3, "mailing", "waiting"),
    ]
    assert {row["handle"] for row in found} == {submitted.id}
    assert all(row["payload"].isascii() for row in found)
    assert [row["payload"].count("\n") for row in found[:3]] == [ROW.num_recipients, ROW.num_recipients, 1]
    assert json.loads(found[0]["payload"].split("\n")[0]) == {"name": "Ännchen", "address": "r0@x.example"}
    assert submitted.num_profiles == number


def test_recipients_with_much_to_say_make_smaller_rows(client: Client, shop: sqlite3.Connection) -> None:
    client.submit(MAILING, [Recipient("ann@x.example", {"name": "x" * 400_000})] * 4)

    assert [row["part"] for row in rows(shop)] == [0, 1, 2]


def test_who_cannot_be_mailed_is_counted(client: Client) -> None:
    nobody = [
        Recipient("no address", {"name": "Nobody"}),
        *(Recipient("b@x.example", {"name": bad}) for bad in ("\0", "\ud800", float("nan"))),
    ]
    submitted = client.submit(MAILING, [ANN, *nobody])

    assert (submitted.num_profiles, submitted.num_skipped) == (5, 4)


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        ({"subject": "{{ name"}, "subject"),
        ({"subject": "Hi\r\nBcc: eve@x.example"}, "subject"),
        ({"sender": "nobody"}, "sender"),
        ({"headers": {"Bcc": "eve@x.example"}}, "header Bcc"),
        ({"name": ""}, "name"),
        ({"key": "two\nlines"}, "key"),
        ({"lane": "fast"}, "lane"),
        ({"doubt_policy": "hope"}, "doubt_policy"),
        ({"scheduled_at": datetime(2030, 1, 1)}, "scheduled_at"),  # noqa: DTZ001 - that is the fault
        ({"text": "{{ nmae }}"}, "recipients"),
    ],
)
def test_a_mailing_that_is_at_fault_is_refused_when_it_is_written(
    client: Client, shop: sqlite3.Connection, fault: dict[str, Any], field: str
) -> None:
    """The producer is there to hear it; whoever carries the outbox is not."""
    mailing = Mailing(**{"name": "Sale", "subject": "Hi", "sender": "shop@x.example", "text": "Hello"} | fault)

    with pytest.raises(BadInput) as told:
        client.submit(mailing, [ANN])
    assert told.value.field == field
    assert rows(shop) == []


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        ({"to": "nobody"}, "to"),
        ({"subject": "a\nb"}, "subject"),
        ({"variables": {"when": datetime}}, "variables"),
        ({"text": None}, "text"),
        ({"key": " "}, "key"),
    ],
)
def test_a_message_that_is_at_fault_is_too_and_takes_the_others_with_it(
    client: Client, shop: sqlite3.Connection, fault: dict[str, Any], field: str
) -> None:
    bad = Message(**{"to": "ann@x.example", "subject": "Hi", "sender": "shop@x.example", "text": "Hello"} | fault)

    with pytest.raises(BadInput) as told:
        client.send_all([MESSAGE, bad])
    assert told.value.field == field
    assert rows(shop) == []


@pytest.mark.parametrize("bad", [7, {"email": "ann@x.example"}, {"address": 7}, Recipient("ann@x.example", {"x": object()})])
def test_a_recipient_of_a_wrong_shape_refuses_the_mailing_whole(client: Client, shop: sqlite3.Connection, bad: Any) -> None:
    """Rows that were written before him are taken back; the producer's own data stay."""
    shop.execute("CREATE TABLE orders (id INTEGER)")
    shop.execute("INSERT INTO orders VALUES (1)")

    with pytest.raises(BadInput) as told:
        client.submit(MAILING, [ANN] * (ROW.num_recipients + 1) + [bad])
    shop.commit()

    assert told.value.field
    assert told.value.field.startswith(f"recipients[{ROW.num_recipients + 1}]")
    assert rows(shop) == []
    assert len(shop.execute("SELECT * FROM orders").fetchall()) == 1


def test_a_mailing_without_recipients_is_refused(client: Client) -> None:
    with pytest.raises(BadInput) as told:
        client.submit(MAILING, [])
    assert told.value.field == "recipients"


def test_mails_that_are_ready_are_kept_as_mime(client: Client, shop: sqlite3.Connection) -> None:
    email = EmailMessage()
    email["From"], email["To"], email["Bcc"], email["Subject"] = "shop@x.example", "ann@x.example", "eve@x.example", "Grüße"
    email.set_content("Hello")
    email.add_attachment(b"\x00\xff", maintype="application", subtype="pdf", filename="a.pdf")

    accepted = client.send_email(email)
    client.submit_emails([email], name="Invoices")

    one, other, ready, head = rows(shop)
    assert [one["handle"], other["handle"]] == [each.id for each in accepted]
    assert json.loads(one["payload"])["to"] == "ann@x.example"
    assert (one["kind"], ready["kind"], head["kind"]) == ("email", "recipients", "ready_mailing")
    assert "Bcc" not in one["payload"]
    assert ready["payload"].count("\n") == 2


def test_what_became_of_it_is_asked_elsewhere(client: Client) -> None:
    for ask in (client.pause, client.resume, client.cancel, client.progress, client.deliveries, client.history, client.message):
        with pytest.raises(Conflict, match="another door"):
            ask("sale")


def test_autocommit_is_refused_before_anything_is_written(tmp_path: Path, shop: sqlite3.Connection) -> None:
    with pytest.raises(MailqError, match="begin a transaction"):
        Client(Outbox(sqlite3.connect(tmp_path / "shop.db", isolation_level=None))).send(MESSAGE)
    assert rows(shop) == []


@in_event_loop
async def test_an_asynchronous_session_takes_recipients_as_they_come(empty_database_url: str) -> None:
    outbox = OutboxDatabase(empty_database_url)
    outbox.create()
    engine = create_async_engine(empty_database_url.replace("postgresql://", "postgresql+asyncpg://"))

    async def people() -> AsyncIterator[Recipient]:
        for number in range(ROW.num_recipients + 1):
            yield Recipient(f"r{number}@x.example", {"name": "Ann"})

    async with AsyncSession(engine) as session:
        client = AsyncClient(Outbox(session))
        submitted = await client.submit(MAILING, people())
        await client.send(MESSAGE)
        with pytest.raises(BadInput):
            await client.submit(MAILING, [7])  # type: ignore[list-item]
        await session.commit()
    await engine.dispose()

    assert submitted.num_profiles == ROW.num_recipients + 1
    with outbox.begin() as tx:
        found = tx.exec_driver_sql("SELECT kind FROM mailq_outbox ORDER BY id").scalars().all()
    assert found == ["recipients", "recipients", "mailing", "message"]
    outbox.close()


@in_event_loop
async def test_an_asynchronous_client_needs_an_asynchronous_connection(shop: sqlite3.Connection) -> None:
    with pytest.raises(Misconfigured, match="AsyncSession"):
        await AsyncClient(Outbox(shop)).send(MESSAGE)


@pytest.mark.parametrize("over", ["driver", "sqlalchemy"])
def test_without_the_table_the_command_that_makes_it_is_named(tmp_path: Path, over: str) -> None:
    """And the producer's transaction goes on."""
    with pytest.raises(Misconfigured, match="`mailqctl outbox create`"):
        _send_without_a_table(tmp_path / "bare.db", over)


def _send_without_a_table(path: Path, over: str) -> None:
    if over == "driver":
        with closing(sqlite3.connect(path)) as connection:
            Client(Outbox(connection)).send(MESSAGE)
    else:
        with create_engine(f"sqlite:///{path}").connect() as theirs:
            Client(Outbox(theirs)).submit(MAILING, [ANN])


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_without_the_table_a_transaction_of_postgresql_stays_usable(database_url: str, driver: str) -> None:
    connection: Any = importlib.import_module(driver).connect(database_url)
    with closing(connection), connection.cursor() as cursor:
        with pytest.raises(Misconfigured, match="`mailqctl outbox create`"):
            Client(Outbox(connection)).send(MESSAGE)
        cursor.execute("SELECT 1")
