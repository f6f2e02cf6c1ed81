"""Live progress: server-sent events of a mailing."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from mailq.admin import keys, mailings
from mailq.errors import NotFound
from mailq.store.database import Database
from mailq.web.api import callers, events
from tests.integration.web.conftest import LETTER, NewCaller
from tests.support.api import ApiThread, Caller, problem
from tests.support.waiting import eventually

LINES = b'{"address": "ann@x.example", "name": "Ann"}\n'


@pytest.fixture(autouse=True)
def _brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks and pings come soon."""
    monkeypatch.setattr(events, "EVERY_S", 0.05)
    monkeypatch.setattr(events, "PING_S", 0.2)


@pytest.fixture
def made(caller: Caller) -> str:
    """The address of a mailing without recipients."""
    return f"/v1/mailings/{caller.post('/v1/mailings', json=LETTER).json()['id']}"


def told(response: Any) -> Iterator[dict[str, str]]:
    """Events as they come; comments are events with the name `:`."""
    event: dict[str, str] = {}
    for line in response.iter_lines():
        if line:
            name, _, value = line.partition(":")
            event[name or ":"] = value.strip()
        else:
            yield event
            event = {}


def listening(caller: Caller, path: str, **headers: str) -> Any:
    """A stream of events."""
    return caller.http.stream("GET", f"{path}/events", headers={"Authorization": f"Bearer {caller.key}", **headers})


def test_progress_is_told_until_the_mailing_has_ended(caller: Caller, made: str) -> None:
    """How it stands, each change, and the end."""
    with listening(caller, made) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        stream = told(response)
        first = next(stream)
        caller.post(f"{made}/recipients", content=LINES, headers={"Content-Type": "application/x-ndjson"})
        second = next(each for each in stream if "data" in each)
        caller.post(f"{made}/cancel")
        rest = [each for each in stream if "data" in each]

    assert [each["event"] for each in (first, second, *rest)] == ["progress", "progress", "progress", "end"]
    assert [json.loads(each["data"])["num_profiles"] for each in (first, second)] == [0, 1]
    assert json.loads(rest[0]["data"])["state"] == "cancelled"
    assert len({each["id"] for each in (first, second, rest[0])}) == 3


def test_who_knows_how_it_stands_is_told_what_is_new(caller: Caller, made: str) -> None:
    """By the id of the last event; and when all is over, nothing, so that a browser stops asking."""
    with listening(caller, made) as response:
        last = next(told(response))["id"]
    with listening(caller, made, **{"Last-Event-ID": last}) as response:
        assert next(told(response)) == {":": "ping"}

    caller.post(f"{made}/cancel")
    with listening(caller, made) as response:
        progress, end = told(response)
    assert end["event"] == "end"
    assert caller.get(f"{made}/events", headers={"Last-Event-ID": progress["id"]}).status_code == 204


def test_many_listeners_cost_one_look(caller: Caller, made: str, api: ApiThread) -> None:
    """And when the last one has left nobody looks any more."""
    watching = api.app.state.parts.watching
    with listening(caller, made) as one, listening(caller, made) as other:
        streams = told(one), told(other)  # one that nobody holds is closed
        assert next(streams[0]) == next(streams[1])
        assert watching.num_watched == 1
    eventually(lambda: watching.num_watched == 0)


def test_a_stop_ends_what_would_go_on_for_ever(caller: Caller, made: str, api: ApiThread) -> None:
    """A listener does not keep the server alive."""
    with listening(caller, made) as response:
        stream = told(response)
        next(stream)
        api.server.should_exit = True
        assert [each for each in stream if "data" in each] == []


def test_a_database_that_is_away_is_waited_for(caller: Caller, made: str, api: ApiThread, database: Database) -> None:
    """Listeners stay, and are told when it is back."""
    with listening(caller, made) as response:
        stream = told(response)
        next(stream)
        with database.begin() as tx:
            tx.exec_driver_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mailq api'")
        caller.post(f"{made}/recipients", content=LINES, headers={"Content-Type": "application/x-ndjson"})
        changed = next(each for each in stream if "data" in each)
    assert json.loads(changed["data"])["num_profiles"] == 1


def test_who_listens_is_refused_with_the_key(
    monkeypatch: pytest.MonkeyPatch, new_caller: NewCaller, caller: Caller, made: str, database: Database
) -> None:
    """A revocation ends what is open; those with other keys go on."""
    monkeypatch.setattr(callers, "BELIEVED_FOR_S", 0.1)
    mine = new_caller("read")
    with listening(mine, made) as ours, listening(caller, made) as theirs:
        stream, other = told(ours), told(theirs)
        next(stream)
        next(other)
        keys.revoke(database, None, mine.key.split("_")[1])
        (error,) = [each for each in stream if "data" in each]
        caller.post(f"{made}/recipients", content=LINES, headers={"Content-Type": "application/x-ndjson"})
        changed = next(each for each in other if "data" in each)

    assert (error["event"], json.loads(error["data"])["status"]) == ("error", 401)
    assert "revoked" in json.loads(error["data"])["detail"]
    assert changed["event"] == "progress"


@pytest.mark.parametrize(("fault", "status"), [(RuntimeError("secret"), 500), (NotFound("there is no such mailing"), 404)])
def test_a_mailing_that_cannot_be_looked_at_any_more_ends_the_stream(
    monkeypatch: pytest.MonkeyPatch, caller: Caller, made: str, fault: Exception, status: int
) -> None:
    """It was pruned, or we are at fault; who asks then is served anew."""

    def fail(*_: object) -> None:
        raise fault

    with listening(caller, made) as response:
        stream = told(response)
        next(stream)
        with monkeypatch.context() as broken:
            broken.setattr(mailings, "show", fail)
            (error,) = [each for each in stream if "data" in each]
    assert (error["event"], json.loads(error["data"])["status"]) == ("error", status)
    assert "secret" not in error["data"]
    with listening(caller, made) as response:
        assert next(told(response))["event"] == "progress"


def test_a_watch_that_is_over_takes_no_new_listener() -> None:
    """A mailing that had ended is sent again while somebody has not heard of the end yet."""
    stopping = asyncio.Event()
    ended, running = events.Seen({}, True, "1"), events.Seen({}, False, "2")

    async def look() -> events.Seen:
        return running

    async def admit() -> None:
        """Everybody may listen."""

    async def listen() -> list[bytes]:
        watching = events.Watching(stopping)
        slow = watching.events("mailing", ended, look, admit, last_id=None)
        first = await anext(slow)
        anew = watching.events("mailing", running, look, admit, last_id=None)
        second = await anext(anew)
        looking = [each for each in asyncio.all_tasks() if each.get_name() == "watch mailing"]
        await slow.aclose()
        assert watching.num_watched == 1
        await anew.aclose()
        assert watching.num_watched == 0
        assert not (await asyncio.wait(looking, timeout=5))[1], "nobody looks any more"
        return [first, second]

    assert [b"id: 1" in each for each in asyncio.run(listen())] == [True, False]


def test_a_look_at_the_key_is_no_ping(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said where there is nothing to say, until it is time for that."""
    monkeypatch.setattr(events, "PING_S", 1000.0)
    states = iter([False, False, False, False, True])

    async def look() -> events.Seen:
        return events.Seen({}, (ended := next(states)), str(ended))

    async def admit() -> None:
        """Everybody may listen."""

    async def listen() -> list[bytes]:
        watching = events.Watching(asyncio.Event())
        return [each async for each in watching.events("mailing", await look(), look, admit, last_id=None)]

    assert [each.partition(b"\n")[0] for each in asyncio.run(listen())] == [b"event: progress", b"event: progress", b"event: end"]


def test_a_key_listens_so_often_and_no_more(
    monkeypatch: pytest.MonkeyPatch, caller: Caller, new_caller: NewCaller, made: str, api: ApiThread
) -> None:
    """429 beyond, and only for that key; whoever leaves makes room, and who finds nothing takes none."""
    monkeypatch.setattr(api.app.state.parts.watches, "_most", 2)
    assert [caller.get("/v1/mailings/mlg_0/events").status_code for _ in range(3)] == [404] * 3
    with listening(caller, made) as one, listening(caller, made) as other:
        streams = told(one), told(other)  # one that nobody holds is closed
        assert [next(each)["event"] for each in streams] == ["progress"] * 2
        with listening(caller, made) as beyond, listening(new_caller("read"), made) as another:
            assert (beyond.status_code, another.status_code) == (429, 200)
            beyond.read()
            assert "2 streams of events" in problem(beyond, 429)["detail"]

    caller.post(f"{made}/cancel")
    eventually(lambda: caller.get(f"{made}/events").status_code == 200)
