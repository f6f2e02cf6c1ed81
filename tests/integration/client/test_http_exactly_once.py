"""The API does what it is asked, and the answer is lost: whoever asks again is answered, and nothing is done twice."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select

from mailq import Client, Mailing, Message, Outbox, Recipient
from mailq.admin import keys
from mailq.client.carrier import Carrier
from mailq.client.http import AsyncHttpDoor, HttpDoor
from mailq.client.http.exchanges import UPLOAD
from mailq.client.http.patience import Patience
from mailq.engine.sealing import seal_complete
from mailq.errors import Conflict, Unavailable
from mailq.settings import Settings
from mailq.store.database import Database
from mailq.store.outbox_database import OutboxDatabase
from mailq.store.tables import delivery, inbox, mailing
from tests.support.api import ApiThread, serving_api
from tests.support.blocking import Blocking
from tests.support.hostile_api import CUT, Heard, HostileApi

HASTY = Patience(tries=4, total_s=30, first_s=0.001, longest_s=0.002)
MAILING = Mailing("Sale", "Hi {{ name }}", "shop@x.example", text="Hello")
MESSAGE = Message("ann@x.example", "Hi", "shop@x.example", text="Hello")
CHUNK = UPLOAD.num_recipients


class Lossy:
    """Passes requests on to an API, waits until it has done them, and loses some of the answers."""

    def __init__(self, api: ApiThread, *, lose: int) -> None:
        self._http = httpx2.Client(base_url=api.url, timeout=60)
        self._lose = lose
        self._asked: dict[tuple[str, str, str | None], int] = {}
        self.front = HostileApi(self._pass_on)

    def _pass_on(self, heard: Heard) -> bytes:
        headers = {name: value for name, value in heard.headers.items() if name not in {"host", "connection", "accept-encoding"}}
        response = self._http.request(heard.method, heard.path, headers=headers, content=heard.body)
        request = (heard.method, heard.path, heard.key)
        self._asked[request] = self._asked.get(request, 0) + 1
        if heard.method == "POST" and self._asked[request] <= self._lose:
            return CUT
        head = f"HTTP/1.1 {response.status_code} Whatever\r\ncontent-type: {response.headers['content-type']}\r\n"
        return f"{head}content-length: {len(response.content)}\r\nconnection: close\r\n\r\n".encode() + response.content

    def close(self) -> None:
        self.front.close()
        self._http.close()


@pytest.fixture
def api(database_url: str) -> Iterator[ApiThread]:
    with serving_api(Settings(database_url=database_url)) as running:
        yield running


@pytest.fixture
def key(database: Database) -> str:
    return keys.create(database, "default", "test", ["send", "read"]).key


@pytest.fixture
def lossy(api: ApiThread) -> Iterator[Lossy]:
    """An API of which the first two answers to every request that changes something are lost."""
    between = Lossy(api, lose=2)
    yield between
    between.close()


@pytest.fixture(params=[HttpDoor, AsyncHttpDoor], ids=["sync", "async"])
def door(request: pytest.FixtureRequest, lossy: Lossy, key: str) -> Iterator[Any]:
    def make() -> Any:
        return request.param(lossy.front.url, key=key, patience=HASTY)

    opened = make() if request.param is HttpDoor else Blocking(make)
    yield opened
    opened.close()


def count(database: Database, table: Any) -> int:
    with database.begin() as tx:
        return tx.execute(select(func.count()).select_from(table)).scalar_one()


def people(number: int) -> Iterator[Recipient]:
    return (Recipient(f"r{each}@x.example", {"name": "Ann"}) for each in range(number))


def test_a_message_is_accepted_once(door: Any, database: Database) -> None:
    (accepted,) = door.send([MESSAGE])

    assert accepted.created
    assert door.message(accepted.id).state == "accepted"
    assert count(database, inbox) == 1


def test_a_mailing_is_made_filled_and_started_once(door: Any, database: Database) -> None:
    submitted = door.submit(MAILING, people(CHUNK + 1))
    seal_complete(database)

    assert (submitted.created, submitted.num_profiles) == (True, CHUNK + 1)
    assert door.progress(submitted.id).state == "running"
    assert count(database, mailing) == 1
    assert count(database, delivery) == CHUNK + 1


def test_a_mailing_is_steered_though_nobody_hears_of_it(door: Any, lossy: Lossy, database: Database) -> None:
    """Without a key: what has been done already is no mistake."""
    submitted = door.submit(MAILING, people(1))
    seal_complete(database)

    assert door.pause(submitted.id).state == "paused"
    assert door.resume(submitted.id).state == "running"
    assert door.cancel(submitted.id).state == "cancelled"
    steered = [heard for heard in lossy.front.heard if heard.path.endswith(("/start", "/pause", "/resume", "/cancel"))]
    assert len(steered) == 4 * 3
    assert {heard.key for heard in steered} == {None}


def test_a_producer_who_has_given_up_may_submit_the_same_again(api: ApiThread, key: str, database: Database) -> None:
    """He knows nothing, but his key does."""
    deaf = Lossy(api, lose=1_000)
    sale = Mailing("Sale", "Hi {{ name }}", "shop@x.example", text="Hello", key="sale")
    with closing(HttpDoor(deaf.front.url, key=key, patience=HASTY)) as giving_up, pytest.raises(Unavailable):
        giving_up.submit(sale, people(3))
    deaf.close()

    with closing(HttpDoor(api.url, key=key, patience=HASTY)) as door:
        assert not door.submit(sale, people(3)).created
        with pytest.raises(Conflict):
            door.submit(sale, people(2))
    assert count(database, mailing) == 1
    assert count(database, delivery) == 3


def test_what_one_has_begun_and_another_goes_on_with_is_one_mailing(api: ApiThread, key: str, database: Database) -> None:
    """The first was killed in the middle of his uploads; the second is the same producer, started again."""
    sale = Mailing("Sale", "Hi {{ name }}", "shop@x.example", text="Hello", key="sale")

    def until_killed() -> Iterator[Recipient]:
        yield from people(CHUNK)
        raise KeyboardInterrupt

    with closing(HttpDoor(api.url, key=key, patience=HASTY)) as door:
        with pytest.raises(KeyboardInterrupt):
            door.submit(sale, until_killed())
        seal_complete(database)
        assert door.progress("sale").state in {"draft", "loading"}
        submitted = door.submit(sale, people(CHUNK + 1))
        seal_complete(database)
        assert door.progress("sale").num_pending == CHUNK + 1
    assert not submitted.created
    assert count(database, mailing) == 1


def test_an_outbox_is_carried_once_over_a_connection_that_loses_answers(
    lossy: Lossy, key: str, database: Database, tmp_path: Path
) -> None:
    outbox = OutboxDatabase(f"sqlite:///{tmp_path}/shop.db")
    outbox.create()
    shop = sqlite3.connect(tmp_path / "shop.db")
    client = Client(Outbox(shop))
    client.send_all([MESSAGE, MESSAGE])
    client.submit(MAILING, people(3))
    shop.commit()

    with closing(HttpDoor(lossy.front.url, key=key, patience=HASTY)) as door:
        done = Carrier(outbox, door, now=lambda: datetime.now(UTC), told=lambda *_: None).carry()

    assert done.num_done == 3
    assert count(database, inbox) == 2
    assert count(database, delivery) == 3
    shop.close()
    outbox.close()
