"""The page about this door: each of its examples does what its readers would have it do."""

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from mailq import Mailing, Message
from mailq.store import migrate
from mailq.store.database import Database
from tests.integration.client.conftest import Ledger, people
from tests.support.examples import of_page
from tests.support.producers import KINDS, producing
from tests.support.servers import Databases

PAGE = "docs/doors/python.md"
URL = "postgresql://app@localhost/shop"
STORED = {
    "psycopg.py": {"mailing": 1, "batch": 1, "delivery": 2, "inbox": 0},
    "sqlalchemy.py": {"mailing": 0, "batch": 0, "delivery": 0, "inbox": 1},
    "asynchronous.py": {"mailing": 1, "batch": 1, "delivery": 3, "inbox": 0},
    "own.py": {"mailing": 1, "batch": 30, "delivery": 30_000, "inbox": 0},
    "ready.py": {"mailing": 1, "batch": 1, "delivery": 4, "inbox": 2},
    "told.py": {"mailing": 1, "batch": 1, "delivery": 2, "inbox": 0},
}
SAID = {"told.py": ["loading 2 0 1", "no address invalid recipient 2: ", "['pending']", "subject ", "there is no mailing"]}


def test_every_example_is_known_here() -> None:
    """A new one has to say what it stores."""
    assert set(of_page(PAGE)) == {*STORED, "grants.sql"}


@pytest.mark.parametrize("name", list(STORED))
def test_an_example_does_what_it_shows(name: str, database: Database, database_url: str, ledger: Ledger, tmp_path: Path) -> None:
    """Run as a program of its own, against an app's database."""
    with database.begin() as tx:
        tx.execute(text("CREATE TABLE sale (name text); CREATE TABLE customer_order (number serial, paid boolean)"))
        tx.execute(
            text(
                "CREATE TABLE customer AS SELECT n || '@x.example' AS address, 'Name ' || n AS name FROM generate_series(1, 3) AS n"
            )
        )
    script = tmp_path / name.replace(".", "_example.")
    shown = of_page(PAGE)[name]
    for scheme in ("postgresql", "postgresql+psycopg2", "postgresql+asyncpg"):
        shown = shown.replace(f'"{URL.replace("postgresql", scheme, 1)}"', f'"{database_url.replace("postgresql", scheme, 1)}"')
    assert "app@localhost" not in shown
    script.write_text(shown, encoding="utf-8")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    assert ledger.counts() == STORED[name]
    lines = done.stdout.splitlines()
    for line, begins in zip(lines, SAID.get(name, lines), strict=True):
        assert line.startswith(begins)


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_permissions_of_the_page_are_enough(kind: str, databases: Databases) -> None:
    """For all that a client can ask; in a schema that the search path does not know."""
    url = databases.create_empty()
    database = Database(url, schema="mailq")
    migrate.upgrade(database)
    with psycopg.connect(url) as owner:
        owner.execute("CREATE ROLE app LOGIN PASSWORD 'secret'")
        owner.execute(of_page(PAGE)["grants.sql"].encode())
    theirs = database.url.set(drivername="postgresql", username="app", password="secret").render_as_string(hide_password=False)
    try:
        with producing(kind, theirs, schema="mailq") as producer:
            client = producer.client
            submitted = client.submit(Mailing("Sale", "s", "a@shop.example", text="t", key="sale"), [*people(3), "nobody"])
            accepted = client.send(Message("ann@x.example", "s", "a@shop.example", text="t"))
            assert (
                client.submit(Mailing("Sale", "s", "a@shop.example", text="t", key="sale"), [*people(3), "nobody"]).id
                == submitted.id
            )
            assert [each.state for each in client.deliveries("sale")] == ["pending"] * 3 + ["skipped"]
            assert client.message(accepted.id).state == "accepted"
            assert len(client.history("p1@people.example")) == 1
            assert client.cancel("sale").state == "cancelled"
            producer.commit()
    finally:
        with psycopg.connect(url) as owner:
            owner.execute("DROP OWNED BY app")
            owner.execute("DROP ROLE app")
        database.close()
        databases.drop(url)
