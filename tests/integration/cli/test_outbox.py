"""`mailqctl outbox`: the table is made or printed, what it holds is carried, and what was refused is shown."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from mailq import Client, Message, Outbox
from mailq.store.database import Database
from mailq.store.tables import inbox
from tests.integration.cli.conftest import Command
from tests.support.waiting import eventually

MESSAGE = Message("ann@x.example", "Hi", "shop@x.example", text="Hello")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/shop.db"


@pytest.fixture
def shop(tmp_path: Path, url: str, bare: Command) -> Iterator[sqlite3.Connection]:
    """A producer's database with an outbox."""
    assert bare("outbox", "create", env={"MAILQ_OUTBOX_URL": url}).code == 0
    connection = sqlite3.connect(tmp_path / "shop.db")
    yield connection
    connection.close()


def send(shop: sqlite3.Connection, *messages: Message) -> None:
    Client(Outbox(shop)).send_all(messages or [MESSAGE])
    shop.commit()


def test_the_table_is_made_once(bare: Command, url: str, shop: sqlite3.Connection) -> None:
    again = bare("outbox", "create", "--database", url)

    assert again.code == 0
    assert "already has" in again.err
    assert shop.execute("SELECT count(*) FROM mailq_outbox").fetchone() == (0,)


def test_it_can_be_printed_without_any_database(bare: Command) -> None:
    done = bare("outbox", "create", "--print", "--database", "mysql://")

    assert done.code == 0
    assert done.out.startswith("CREATE TABLE mailq_outbox (")
    assert "LONGTEXT" in done.out


def test_what_is_printed_makes_the_table(bare: Command) -> None:
    printed = bare("outbox", "create", "--print", "--database", "sqlite://").out
    connection = sqlite3.connect(":memory:")
    connection.executescript(printed)

    assert Client(Outbox(connection)).send(MESSAGE).created
    connection.close()


@pytest.mark.parametrize(("words", "option"), [(["create"], "--database"), (["relay", "--once"], "--from"), (["list"], "--from")])
def test_without_an_outbox_the_variable_and_the_option_are_named(mailqctl: Command, words: list[str], option: str) -> None:
    """A local stack would bring none."""
    done = mailqctl("outbox", *words)

    assert done.code == 78
    assert done.err == f"mailqctl: no database of a producer: set MAILQ_OUTBOX_URL, or give {option}\n"


def test_once_carries_what_is_there_and_says_so(
    mailqctl: Command, url: str, shop: sqlite3.Connection, database: Database
) -> None:
    send(shop, MESSAGE, MESSAGE)

    done = mailqctl("outbox", "relay", "--once", "--json", env={"MAILQ_OUTBOX_URL": url})

    assert done.code == 0
    assert done.document == {"num_done": 2, "num_refused": 0, "num_missed": 0}
    assert "2 handed over" in done.err
    with database.begin() as tx:
        assert tx.execute(select(func.count()).select_from(inbox)).scalar_one() == 2


def test_what_was_refused_is_told_and_listed(mailqctl: Command, url: str, shop: sqlite3.Connection) -> None:
    words = {"to": "ann@x.example", "sender": "shop@x.example", "text": "Hello", "key": "same"}
    send(shop, Message(subject="One", **words), Message(subject="Another", **words))

    carried = mailqctl("outbox", "relay", "--from", url, "--once")
    listed = mailqctl("outbox", "list", "--from", url, "--json")
    shown = mailqctl("outbox", "list", "--from", url)

    assert carried.code == 0
    assert "refused: message 2: " in carried.err
    assert {name: listed.document[name] for name in ("waiting", "done", "refused")} == {"waiting": 0, "done": 1, "refused": 1}
    assert "same" in listed.document["latest_refused"][0]["reason"]
    assert "something else" in shown.out


def test_done_rows_are_kept_as_long_as_is_said(mailqctl: Command, url: str, shop: sqlite3.Connection) -> None:
    send(shop)
    mailqctl("outbox", "relay", "--from", url, "--once")
    assert shop.execute("SELECT state FROM mailq_outbox").fetchall() == [("done",)]
    mailqctl("outbox", "relay", "--from", url, "--once", "--keep", "0")

    assert shop.execute("SELECT state FROM mailq_outbox").fetchall() == []


@pytest.mark.parametrize(
    ("to", "key", "says"),
    [
        ("http://mailq.example", "mq_secret", "not encrypted"),
        ("https://mailq.example", None, "MAILQ_OUTBOX_KEY"),
        ("postgresql://mailq.example/mailq", "mq_secret", "MAILQ_DATABASE_URL"),
    ],
)
def test_a_door_that_is_none_is_refused(
    mailqctl: Command, url: str, shop: sqlite3.Connection, to: str, key: str | None, says: str
) -> None:
    send(shop)
    done = mailqctl("outbox", "relay", "--from", url, "--to", to, "--once", env={"MAILQ_OUTBOX_KEY": key} if key else None)

    assert done.code == 78
    assert says in done.err
    assert "secret" not in done.err


def test_a_database_of_ours_that_is_not_migrated_is_said(
    bare: Command, url: str, shop: sqlite3.Connection, empty_database_url: str
) -> None:
    send(shop)
    done = bare("outbox", "relay", "--from", url, "--once", env={"MAILQ_DATABASE_URL": empty_database_url})

    assert done.code == 78
    assert "db upgrade" in done.err


def test_it_waits_for_what_comes_and_may_be_killed(tmp_path: Path, url: str, database_url: str, database: Database) -> None:
    """Nothing is lost and nothing doubled by it: see the carrier's own tests."""
    mailqctl = [sys.executable, "-m", "mailq", "outbox"]
    environment = {"MAILQ_DATABASE_URL": database_url, "MAILQ_OUTBOX_URL": url, "MAILQ_HOME": str(tmp_path)}
    subprocess.run([*mailqctl, "create"], env=environment, check=True, capture_output=True)
    running = subprocess.Popen([*mailqctl, "relay"], env=environment, stderr=subprocess.PIPE, text=True)
    shop = sqlite3.connect(tmp_path / "shop.db")

    def carried(number: int) -> bool:
        with database.begin() as tx:
            return tx.execute(select(func.count()).select_from(inbox)).scalar_one() == number

    try:
        send(shop)
        eventually(lambda: carried(1), within=30)
        send(shop, MESSAGE, MESSAGE)
        eventually(lambda: carried(3), within=30)
    finally:
        running.kill()
        _, told = running.communicate()
        shop.close()
    assert "carrying sqlite:" in told
