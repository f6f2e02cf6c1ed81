"""The page about this door: each of its examples does what its readers would have it do."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from mailq import Call, Mailing, Message, Response
from mailq.admin import keys
from mailq.errors import BadInput
from mailq.settings import Settings
from mailq.store import migrate
from mailq.store.database import Database
from tests.integration.client.conftest import Ledger, people
from tests.support.api import serving_api
from tests.support.examples import of_page
from tests.support.producers import KINDS, producing
from tests.support.servers import Databases

PAGE = "docs/doors/python.md"
URL = "postgresql://app@localhost/shop"
STORED = {
    "psycopg.py": {"mailing": 1, "batch": 1, "delivery": 2, "inbox": 0},
    "sqlalchemy.py": {"mailing": 0, "batch": 0, "delivery": 0, "inbox": 1},
    "asynchronous.py": {"mailing": 1, "batch": 1, "delivery": 3, "inbox": 0},
    "calls.py": {"mailing": 0, "batch": 0, "delivery": 0, "inbox": 0},
    "own.py": {"mailing": 1, "batch": 30, "delivery": 30_000, "inbox": 0},
    "ready.py": {"mailing": 1, "batch": 1, "delivery": 4, "inbox": 2},
    "told.py": {"mailing": 1, "batch": 1, "delivery": 2, "inbox": 0},
}
SAID = {
    "calls.py": ["ready running", "finished ['ok']", "/objects/1/type"],
    "told.py": ["loading 2 0 1", "no address invalid recipient 2: ", "['pending']", "subject ", "there is no mailing"],
}


def test_every_example_is_known_here() -> None:
    """A new one has to say what it stores."""
    assert set(of_page(PAGE)) == {*STORED, "grants.sql", "calls.sql", "spool.py"}


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


def test_the_example_of_the_spool_does_what_it_shows(database: Database, database_url: str, tmp_path: Path) -> None:
    key = keys.create(database, "default", "shop", ["send"]).key
    script = tmp_path / "example.py"
    with serving_api(Settings(database_url=database_url)) as api:
        script.write_text(of_page(PAGE)["spool.py"].replace("https://mail.shop.example", api.url).replace("mq_…", key))
        done = subprocess.run(
            [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )

    assert done.returncode == 0, done.stderr
    assert done.stdout == "Drained(num_done=0, num_refused=0, num_waiting=0)\n"
    assert (tmp_path / "calls.spool").is_file()


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_permissions_of_the_page_are_enough(kind: str, databases: Databases) -> None:
    """For all that a client can ask; in a schema that the search path does not know."""
    url = databases.create_empty()
    database = Database(url, schema="mailq")
    migrate.upgrade(database)
    with psycopg.connect(url) as owner:
        owner.execute("CREATE ROLE app LOGIN PASSWORD 'secret'")
        owner.execute(of_page(PAGE)["grants.sql"].encode())
        owner.execute(of_page(PAGE)["calls.sql"].encode())
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
            _call_all(client)
            producer.commit()
    finally:
        with psycopg.connect(url) as owner:
            owner.execute("DROP OWNED BY app")
            owner.execute("DROP ROLE app")
        database.close()
        databases.drop(url)


def _call_all(client: Any) -> None:
    """Whatever can be asked about calls."""
    ann = {"type": "subscriber", "customer_key": "ann", "address": "ann@x.example"}
    call = Call("create", [ann], key="ann", send_response_to=[Response("http_post", "https://shop.example/hooks")])
    request_id = client.call(call).request_id
    assert client.call(call).created is False
    assert client.call_state(request_id).state == "ready"
    assert client.call_results(request_id) == []
    assert client.cancel_call(request_id).state == "cancelled"
    for code in (2, 1):
        client.call(Call("create", [ann], conversation_id="c", sequence_code=code, calls_in_conversation=2))
    assert client.conversation("c").state == "running"
    assert list(client.conversation_results("c")) == []
    with pytest.raises(BadInput):
        client.call(Call("create", [ann], conversation_id="d", scheduled_time=datetime(2020, 1, 1, tzinfo=UTC)))
