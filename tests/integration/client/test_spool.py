"""A spool: what the API does not answer is on the disk, is told to be there, and is handed over once."""

import multiprocessing
import shutil
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from mailq import AsyncClient, Call, Client, Mailing, Message, Recipient
from mailq.admin import keys
from mailq.client.async_spooling_door import AsyncSpoolingDoor
from mailq.client.http.patience import Patience
from mailq.client.spool import REST_S, Spool
from mailq.client.spooling_door import SpoolingDoor
from mailq.client.values import Drained
from mailq.clock import Clock
from mailq.errors import BadInput, Conflict, Misconfigured, NotFound, Unavailable
from mailq.settings import Settings
from mailq.store.database import Database
from mailq.store.spool import SpoolFile
from tests.support.api import serving_api
from tests.support.blocking import Blocking
from tests.support.disk import full_disk
from tests.support.gateway import Gateway
from tests.support.hostile_api import HostileApi, problem, reply

HASTY = Patience(tries=2, total_s=20, first_s=0.001, longest_s=0.002)
MESSAGE = Message("ann@x.example", "Grüße 🎉", "shop@x.example", text="Hello")
SALE = Mailing("Sale", "Hi {{ name }}", "shop@x.example", text="Hello", key="sale")
ANN = Recipient("ann@x.example", {"name": "Ännchen"})
AWAY = problem(503, "the database is away")


class Hands:
    """A clock that is moved."""

    def __init__(self) -> None:
        self.at = 1000.0
        self.clock = Clock(monotonic=lambda: self.at)


class Ground:
    """An API behind a gateway, what it leads to, and a spool."""

    def __init__(self, opened: ExitStack, database: Database, url: str, path: Path, kind: str) -> None:
        self.database = database
        self.path = path / "calls.spool"
        self.hands = Hands()
        self.key = keys.create(database, "default", "test", ["send", "read"]).key
        api = opened.enter_context(serving_api(Settings(database_url=url)))
        self.gateway = opened.enter_context(Gateway(api.url))
        self.door = self.another(opened, kind)

    def another(self, opened: ExitStack, kind: str = "sync", door: Any = None) -> Any:
        """One more client of the same file."""
        kinds = {"sync": SpoolingDoor, "async": AsyncSpoolingDoor}

        def make() -> Any:
            spool = Spool(self.path, clock=self.hands.clock)
            return (door or kinds[kind])(self.gateway.url, key=self.key, spool=spool, patience=HASTY)

        made = Blocking(make) if kind == "async" else make()
        opened.callback(made.close)
        return made

    def rows(self, statement: str) -> list[Any]:
        """What the database says."""
        with self.database.begin() as tx:
            return [tuple(row) for row in tx.execute(text(statement))]

    def spooled(self, what: str = "state") -> list[Any]:
        """What the file holds."""
        with closing(sqlite3.connect(self.path)) as connection:
            return [row[0] for row in connection.execute(f"SELECT {what} FROM mailq_outbox WHERE state <> 'part' ORDER BY id")]


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(params=["sync", "async"])
def ground(request: pytest.FixtureRequest, opened: ExitStack, database: Database, database_url: str, tmp_path: Path) -> Ground:
    return Ground(opened, database, database_url, tmp_path, request.param)


@pytest.fixture
def one(opened: ExitStack, database: Database, database_url: str, tmp_path: Path) -> Ground:
    """For what is the same for both."""
    return Ground(opened, database, database_url, tmp_path, "sync")


def subscriber(number: int) -> dict[str, Any]:
    return {"type": "subscriber", "customer_key": f"s{number}", "address": f"s{number}@x.example"}


def part(code: int, number: int) -> Call:
    return Call("create", [subscriber(code)], conversation_id="c", sequence_code=code, calls_in_conversation=number)


def test_what_is_answered_is_not_spooled(ground: Ground) -> None:
    taken = ground.door.call(Call("create", [subscriber(1)]))
    sent = ground.door.send([MESSAGE])[0]

    assert (taken.request_id[:4], taken.created, taken.state) == ("req_", True, "ready")
    assert (sent.created, sent.spooled) == (True, False)
    assert ground.door.submit(SALE, [ANN]).spooled is False
    assert ground.spooled() == []
    assert ground.door.drain() == Drained(0, 0, 0)


def test_what_is_not_answered_is_told_to_be_spooled_and_handed_over_later(ground: Ground) -> None:
    """Each kind of it, and parts of a conversation, which began while the API was there, in whatever order."""
    ground.door.call(part(2, 3))
    ground.gateway.refuse()
    calls = [ground.door.call(each) for each in (part(3, 3), part(1, 3), Call("create", [subscriber(4)]))]
    sent = ground.door.send([MESSAGE, MESSAGE])
    submitted = ground.door.submit(SALE, [ANN, "bob@x.example"])
    assert [(each.request_id, each.state) for each in calls] == [(None, "spooled")] * 3
    assert [(each.conversation_id, each.sequence_code) for each in calls] == [("c", 3), ("c", 1), (None, None)]
    assert [(each.spooled, each.created) for each in sent] == [(True, True)] * 2
    assert (submitted.spooled, submitted.num_profiles) == (True, 2)
    assert ground.spooled() == ["waiting"] * 6

    ground.gateway.admit()
    assert ground.door.drain() == Drained(6, 0, 0)

    assert ground.spooled() == []
    assert ground.rows("SELECT count(*) FROM call") == [(4,)]
    assert ground.rows("SELECT state, num_received FROM conversation") == [("running", 3)]
    assert ground.rows("SELECT count(*) FROM inbox") == [(2,)]
    assert ground.rows("SELECT count(*) FROM delivery") == [(2,)]
    # Said again, a part tells its id.
    assert ground.door.call(part(1, 3)).request_id.startswith("req_")


def test_what_was_taken_though_its_answer_was_lost_is_not_taken_twice(one: Ground, opened: ExitStack) -> None:
    """The key goes with it into the spool, also one that nobody has chosen."""

    class Losing(SpoolingDoor):
        def _once(self, request: Any) -> Any:
            super()._once(request)
            raise Unavailable("the answer was lost")

    door = one.another(opened, door=Losing)
    assert door.call(Call("create", [subscriber(1)])).state == "spooled"
    one.hands.at += REST_S
    assert door.call(Call("create", [subscriber(2)], key="mine")).state == "spooled"
    one.hands.at += REST_S
    assert door.call(part(1, 2)).state == "spooled"
    one.hands.at += REST_S
    assert door.send([MESSAGE])[0].spooled
    one.hands.at += REST_S
    assert door.submit(Mailing("Sale", "Hi", "shop@x.example", text="Hello"), [ANN]).spooled

    assert one.door.drain() == Drained(5, 0, 0)
    assert one.rows("SELECT count(*) FROM call") == [(3,)]
    assert one.rows("SELECT count(*) FROM inbox") == [(1,)]
    assert one.rows("SELECT count(*) FROM mailing") == [(1,)]


def test_of_several_messages_those_are_spooled_that_were_not_taken(one: Ground, tmp_path: Path) -> None:
    with closing(HostileApi(reply(202, {"id": "msg_1", "created": True}), AWAY)) as api:
        door = SpoolingDoor(api.url, key="mq_test", spool=Spool(tmp_path / "some.spool"), patience=HASTY)
        taken = door.send([MESSAGE, MESSAGE, MESSAGE])
        door.close()

    assert [(each.id[:4], each.spooled) for each in taken] == [("msg_", False), ("obx_", True), ("obx_", True)]


def test_an_api_that_was_away_is_left_alone_for_a_while(tmp_path: Path) -> None:
    """Only the first waits for it."""
    hands = Hands()
    with closing(HostileApi(AWAY)) as api:
        door = SpoolingDoor(api.url, key="mq_test", spool=Spool(tmp_path / "calls.spool", clock=hands.clock), patience=HASTY)
        for _ in range(3):
            door.call(part(1, 2))
        assert len(api.heard) == HASTY.tries
        hands.at += REST_S
        door.call(part(2, 2))
        assert len(api.heard) == 2 * HASTY.tries
        door.close()


def test_who_asks_for_an_answer_is_told_that_there_is_none(ground: Ground) -> None:
    """So is whoever has recipients that cannot be read again: they are gone when the API has not answered."""
    ground.gateway.refuse()
    asks: list[Callable[[], Any]] = [
        lambda: ground.door.call(Call("create", [subscriber(1)], request_type="synchronous")),
        lambda: ground.door.call_state("req_0123456789abcdef"),
        lambda: ground.door.pause("sale"),
        lambda: ground.door.submit(SALE, iter([ANN])),
        ground.door.drain,
    ]
    for ask in asks[:4]:
        with pytest.raises(Unavailable):
            ask()
    assert ground.spooled() == []


def test_what_is_at_fault_is_refused_and_not_spooled(ground: Ground) -> None:
    ground.gateway.refuse()
    with pytest.raises(BadInput) as told:
        ground.door.call(Call("create", [{"type": "template"}]))
    with pytest.raises(BadInput) as also:
        ground.door.send([Message("nobody", "Hi", "shop@x.example", text="Hello")])

    assert (told.value.field, also.value.field) == ("/objects/0/type", "to")
    assert ground.spooled() == []


def test_what_mailq_refuses_is_kept_with_the_reason_and_keeps_nobody_waiting(one: Ground) -> None:
    """A call for which another key is needed is one of these, and no reason to stop."""
    one.door.call(Call("create", [subscriber(1)], key="taken"))
    one.gateway.refuse()
    one.door.call(Call("create", [subscriber(2)], key="taken"))
    one.door.call(Call("delete", [{"type": "suppression", "address": "ann@x.example"}]))
    one.door.call(Call("create", [subscriber(3)]))
    one.gateway.admit()

    assert one.door.drain() == Drained(1, 2, 0)
    assert one.spooled() == ["refused", "refused"]
    reasons = one.spooled("reason")
    assert "taken" in reasons[0]
    assert "scope `admin`" in reasons[1]
    assert one.door.drain() == Drained(0, 0, 0)


def test_a_key_that_is_none_refuses_nothing(one: Ground, opened: ExitStack) -> None:
    """It is the key that is at fault: everything waits for another one."""
    one.gateway.refuse()
    one.door.call(Call("create", [subscriber(1)]))
    one.gateway.admit()
    one.key = keys.create(one.database, "default", "reader", ["read"]).key

    with pytest.raises(Misconfigured):
        one.another(opened).drain()
    assert one.spooled() == ["waiting"]


def test_while_the_api_is_away_a_drain_says_so_and_all_of_it_waits(one: Ground) -> None:
    one.gateway.refuse()
    for number in range(5):
        one.door.call(Call("create", [subscriber(number)]))

    with pytest.raises(Unavailable):
        one.door.drain()
    assert one.spooled() == ["waiting"] * 5


def test_a_drained_api_is_asked_again_at_once(one: Ground) -> None:
    one.gateway.refuse()
    one.door.call(Call("create", [subscriber(1)]))
    one.gateway.admit()
    one.door.drain()

    assert one.door.call(Call("create", [subscriber(2)])).state == "ready"


def test_threads_and_children_write_into_one_file(one: Ground, opened: ExitStack) -> None:
    one.gateway.refuse()
    one.door.call(Call("create", [subscriber(0)]))

    def write(first: int) -> None:
        for number in range(first, first + 10):
            assert one.door.call(Call("create", [subscriber(number)])).state == "spooled"

    child = multiprocessing.get_context("fork").Process(target=write, args=(100,))
    child.start()
    threads = [threading.Thread(target=write, args=(first,)) for first in (200, 300)]
    for thread in threads:
        thread.start()
    for each in (*threads, child):
        each.join()

    assert child.exitcode == 0
    assert len(one.spooled()) == 31
    one.gateway.admit()
    assert one.door.drain() == Drained(31, 0, 0)


@pytest.fixture
def away(opened: ExitStack) -> HostileApi:
    """An API that answers 503."""
    return opened.enter_context(closing(HostileApi(AWAY)))


def test_a_disk_without_room_is_told_and_nothing_is_said_to_be_kept(away: HostileApi, tmp_path: Path) -> None:
    path = tmp_path / "calls.spool"
    large = Call("create", [subscriber(1) | {"attributes": {"x": "y" * 60_000}}])
    with Client(away.url, key="mq_test", spool=path) as client:
        client._spooling = client._door = SpoolingDoor(away.url, key="mq_test", spool=Spool(path), patience=HASTY)
        with full_disk(path.stat().st_size + 8192), pytest.raises(Unavailable, match=r"503.* and the spool .*calls\.spool"):
            client.call(large)
        assert client.call(large).state == "spooled"

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM mailq_outbox").fetchone() == (1,)


def test_what_a_power_cut_has_torn_is_taken_back_and_what_was_kept_before_is_there(tmp_path: Path) -> None:
    """The file and its journal, as they stand in the middle of a write, are what a power cut leaves."""
    file = SpoolFile(tmp_path / "calls.spool")
    file.create()
    columns = "(handle, part, kind, state, payload)"
    kept = f"INSERT INTO mailq_outbox {columns} VALUES ('kept', 0, 'call', 'waiting', '{{}}')"
    with file.begin() as tx:
        tx.execute(text(kept))
    with closing(sqlite3.connect(file.path, isolation_level=None)) as writer:
        writer.execute("PRAGMA cache_size = 2")
        writer.execute("BEGIN")
        for number in range(200):
            torn = f"INSERT INTO mailq_outbox {columns} VALUES (?, 0, 'call', 'waiting', ?)"
            writer.execute(torn, (f"torn {number}", "x" * 5000))
        writer.execute("UPDATE mailq_outbox SET handle = 'changed' WHERE handle = 'kept'")
        for name in ("calls.spool", "calls.spool-journal"):
            shutil.copy(tmp_path / name, tmp_path / f"after-{name}")

    assert (tmp_path / "after-calls.spool").stat().st_size > 500_000
    with SpoolFile(tmp_path / "after-calls.spool").begin() as tx:
        assert tx.execute(text("SELECT handle FROM mailq_outbox")).scalars().all() == ["kept"]
        assert tx.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"


def test_a_commit_is_on_the_disk_and_the_file_for_its_owner_alone(tmp_path: Path) -> None:
    file = SpoolFile(tmp_path / "calls.spool")
    file.create()

    with file.begin() as tx:
        assert tx.execute(text("PRAGMA synchronous")).scalar_one() == 3
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_a_file_that_was_moved_away_is_made_anew(away: HostileApi, tmp_path: Path) -> None:
    path = tmp_path / "calls.spool"
    door = SpoolingDoor(away.url, key="mq_test", spool=Spool(path), patience=HASTY)
    door.call(part(1, 2))
    path.rename(tmp_path / "yesterday.spool")
    door.call(part(2, 2))
    door.close()

    for each in (path, tmp_path / "yesterday.spool"):
        with closing(sqlite3.connect(each)) as connection:
            assert connection.execute("SELECT count(*) FROM mailq_outbox").fetchone() == (1,)


def test_a_spool_that_cannot_be_is_refused_when_the_client_is_made(tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("This is no spool. " * 100)
    for path in (tmp_path / "nowhere" / "calls.spool", tmp_path, other):
        for kind in (Client, AsyncClient):
            with pytest.raises(Misconfigured, match=r"the spool .* cannot be"):
                kind("https://mailq.example", key="mq_test", spool=path)
    with pytest.raises(Misconfigured, match="HTTP"):
        Client("postgresql://app@localhost/shop", spool=tmp_path / "calls.spool")


def test_a_client_without_a_spool_has_nothing_to_drain() -> None:
    with Client("https://mailq.example", key="mq_test") as client, pytest.raises(Misconfigured, match="spool="):
        client.drain()


def test_refusals_of_the_api_are_never_spooled(tmp_path: Path) -> None:
    for status, kind in ((404, NotFound), (409, Conflict), (422, BadInput), (403, Misconfigured)):
        with closing(HostileApi(problem(status, "no"))) as api:
            door = SpoolingDoor(api.url, key="mq_test", spool=Spool(tmp_path / "calls.spool"), patience=HASTY)
            with pytest.raises(kind, match="no"):
                door.call(part(1, 2))
            door.close()
    with closing(sqlite3.connect(tmp_path / "calls.spool")) as connection:
        assert connection.execute("SELECT count(*) FROM mailq_outbox").fetchone() == (0,)
