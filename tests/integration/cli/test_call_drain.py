"""`mailqctl call drain`: what a client has spooled is handed over once, whatever is killed meanwhile."""

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from mailq import Call
from mailq.admin import keys
from mailq.client.http.patience import Patience
from mailq.client.spool import Spool
from mailq.client.spooling_door import SpoolingDoor
from mailq.settings import Settings
from mailq.store.database import Database
from tests.integration.cli.conftest import Command
from tests.integration.cli.test_api import serving
from tests.support.api import serving_api
from tests.support.waiting import eventually

NUM_CALLS = 150
HASTY = Patience(tries=1)


@pytest.fixture
def key(database: Database) -> str:
    return keys.create(database, "default", "test", ["send", "read"]).key


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "calls.spool"


def fill(spool: Path, *calls: Call) -> None:
    """As a client does whose API is nowhere."""
    with closing(SpoolingDoor("http://127.0.0.1:9", key="mq_test", spool=Spool(spool), patience=HASTY)) as door:
        for each in calls:
            assert door.call(each).state == "spooled"


def subscribe(number: int, **options: str) -> Call:
    return Call("create", [{"type": "subscriber", "customer_key": f"s{number}", "address": f"s{number}@x.example"}], **options)  # type: ignore[arg-type]


def num_waiting(spool: Path) -> int:
    with closing(sqlite3.connect(f"file:{spool}?mode=ro", uri=True, timeout=30)) as connection:
        return int(connection.execute("SELECT count(*) FROM mailq_outbox WHERE state = 'waiting'").fetchone()[0])


@pytest.fixture
def api(database_url: str) -> Iterator[str]:
    with serving_api(Settings(database_url=database_url)) as running:
        yield running.url


def test_what_is_spooled_is_handed_over_and_counted(bare: Command, database: Database, api: str, key: str, spool: Path) -> None:
    fill(spool, subscribe(1, key="a"), subscribe(2, key="a"), subscribe(3))

    done = bare("call", "drain", "--spool", str(spool), "--to", api, "--json", env={"MAILQ_OUTBOX_KEY": key})

    assert (done.code, done.document) == (0, {"num_done": 2, "num_refused": 1, "num_waiting": 0})
    assert "refused: call 2" in done.err
    assert "2 handed over, 1 refused" in done.err
    assert key not in done.err
    with database.begin() as tx:
        assert tx.execute(text("SELECT count(*) FROM call")).scalar_one() == 2


def test_what_was_refused_is_shown_as_that_of_any_outbox(bare: Command, api: str, key: str, spool: Path) -> None:
    fill(spool, subscribe(1, key="a"), subscribe(2, key="a"))
    bare("call", "drain", "--spool", str(spool), "--to", api, env={"MAILQ_OUTBOX_KEY": key})

    shown = bare("outbox", "list", "--from", f"sqlite:///{spool}", "--json").document
    assert (shown["waiting"], shown["done"], shown["refused"]) == (0, 0, 1)
    assert "says something else" in shown["latest_refused"][0]["reason"]


@pytest.mark.parametrize("there", [False, True], ids=["no file", "no spool"])
def test_what_is_no_spool_is_not_made_one(bare: Command, key: str, spool: Path, there: bool) -> None:
    if there:
        sqlite3.connect(spool).close()
        spool.touch()
    done = bare("call", "drain", "--spool", str(spool), "--to", "http://127.0.0.1:9", env={"MAILQ_OUTBOX_KEY": key})

    assert done.code == 78
    assert spool.exists() is there


def test_without_a_key_it_is_told_which_setting_has_it(bare: Command, spool: Path) -> None:
    fill(spool, subscribe(1))
    done = bare("call", "drain", "--spool", str(spool), "--to", "http://127.0.0.1:9")

    assert done.code == 78
    assert done.err.strip().endswith("set MAILQ_OUTBOX_KEY")


def received(database: Database) -> list[str]:
    """Whom the calls are about that mailq has."""
    with database.begin() as tx:
        return list(tx.execute(text("SELECT objects->0->>'customer_key' FROM call")).scalars())


def drain(spool: Path, to: str, key: str) -> "subprocess.Popen[str]":
    """As a process of its own."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAILQ_")} | {"MAILQ_OUTBOX_KEY": key}
    command = [sys.executable, "-m", "mailq", "call", "drain", "--spool", str(spool), "--to", to]
    return subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)


def test_every_call_is_there_once_however_drains_and_the_api_are_killed(
    database: Database, database_url: str, key: str, spool: Path
) -> None:
    """Two drains at once, killed in the middle; then the API; then another one brings the rest."""
    fill(spool, *map(subscribe, range(NUM_CALLS)))

    with serving(database_url) as (url, process):
        both = [drain(spool, url, key) for _ in range(2)]
        eventually(lambda: num_waiting(spool) < NUM_CALLS - 20, within=60)
        for each in both:
            each.kill()
            each.communicate()
        rest = num_waiting(spool)
        assert rest
        again = drain(spool, url, key)
        eventually(lambda: num_waiting(spool) < rest, within=60)
        process.kill()
        process.wait(20)
        again.kill()
        again.communicate()
    assert num_waiting(spool)

    with serving(database_url) as (url, _):
        last = drain(spool, url, key)
        _, said = last.communicate(timeout=120)
    assert last.returncode == 0, said
    assert num_waiting(spool) == 0
    assert sorted(received(database)) == sorted(f"s{number}" for number in range(NUM_CALLS))


def test_every_call_is_there_once_when_the_api_is_killed_under_its_producer(
    database: Database, database_url: str, key: str, spool: Path
) -> None:
    """Whatever was under way then was taken or not, and nobody knows: it is spooled under the same key."""
    states: list[str] = []
    with serving(database_url) as (url, process), closing(SpoolingDoor(url, key=key, spool=Spool(spool), patience=HASTY)) as door:

        def produce() -> None:
            states.extend(door.call(subscribe(number)).state for number in range(NUM_CALLS))

        producer = threading.Thread(target=produce)
        producer.start()
        eventually(lambda: len(received(database)) > 20, within=60)
        process.kill()
        producer.join()
    assert set(states) == {"ready", "spooled"}

    with serving(database_url) as (url, _), closing(SpoolingDoor(url, key=key, spool=Spool(spool), patience=HASTY)) as door:
        assert door.drain().num_waiting == 0
    assert sorted(received(database)) == sorted(f"s{number}" for number in range(NUM_CALLS))
