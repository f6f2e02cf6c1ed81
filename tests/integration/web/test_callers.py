"""Who may do what: keys, scopes, rates."""

import asyncio
import json
import threading
from datetime import timedelta
from itertools import count

import httpx2
import pytest
from sqlalchemy import text

from mailq.admin import keys
from mailq.clock import utc_now
from mailq.settings import Settings
from mailq.store.database import Database
from mailq.web.api import callers, openapi
from mailq.web.api.app import create
from mailq.web.api.rates import Rates
from tests.integration.web.conftest import LETTER, WORDS, NewCaller
from tests.support.api import Caller, problem
from tests.support.waiting import eventually, happens

SCOPES = ("send", "read", "admin")
DOCUMENT = openapi.specification(create(Settings(database_url="postgresql://nobody@127.0.0.1/nothing")))
OPERATIONS = [
    (verb, path, said) for path, verbs in DOCUMENT["paths"].items() for verb, said in verbs.items() if path.startswith("/v1/")
]
ADMIN_ALONE = {"list_servers", "resolve_doubts", "remove_suppression"}


def ask(http: httpx2.Client, verb: str, path: str, key: str | None = None) -> httpx2.Response:
    """A request that reaches the key's examination, and what is there."""
    filled = path.replace("{message_id}", "msg_0").replace("{mailing_id}", "nothing").replace("{address}", "ann@x.example")
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return http.request(verb, filled, headers=headers)


def test_each_operation_says_which_scope_it_needs() -> None:
    """Reading needs `read`, doing needs `send`, and three need `admin`."""
    wrong = []
    for verb, _, said in OPERATIONS:
        wanted = "admin" if said["operationId"] in ADMIN_ALONE else "read" if verb == "get" else "send"
        if said["security"] != [{"key": [wanted]}]:
            wrong.append(said["operationId"])

    assert len(OPERATIONS) > 20
    assert wrong == []


def test_each_operation_asks_for_what_it_says(http: httpx2.Client, new_caller: NewCaller) -> None:
    """All operations by all scopes, and without a key."""
    with_scope = {scope: new_caller(scope, rate_per_s=10_000).key for scope in SCOPES}
    for verb, path, said in OPERATIONS:
        (needed,) = said["security"][0]["key"]
        challenge = problem(ask(http, verb, path), 401), ask(http, verb, path).headers["www-authenticate"]
        assert challenge[1] == 'Bearer realm="mailq"'
        for scope, key in with_scope.items():
            response = ask(http, verb, path, key)
            if scope in {needed, "admin"}:
                assert response.status_code not in {401, 403}, (verb, path, scope)
            else:
                problem(response, 403)
                assert f'scope="{needed}"' in response.headers["www-authenticate"]


def test_each_operation_that_takes_a_key_of_a_request_looks_at_it(caller: Caller) -> None:
    """What is said to be one, and is none, is refused where the specification has a word about it."""
    caller.post("/v1/mailings", json=LETTER | {"key": "nothing"})
    takes = [(verb, path) for verb, path, said in OPERATIONS if "Idempotency-Key" in str(said.get("parameters"))]
    for verb, path in takes:
        address = path.replace("{mailing_id}", "nothing")
        kind = "application/x-ndjson" if path.endswith("/recipients") else "application/json"
        refused = caller.http.request(
            verb,
            address,
            content=json.dumps({"/v1/messages": WORDS, "/v1/mailings": LETTER}.get(path, {"address": "ann@x.example"})),
            headers={"Authorization": f"Bearer {caller.key}", "Idempotency-Key": "x" * 201, "Content-Type": kind},
        )
        assert problem(refused, 422)["errors"][0].get("header") == "Idempotency-Key", path
    assert len(takes) >= 4


@pytest.mark.parametrize("authorization", ["Basic dXNlcjpwdw==", "Bearer", "Bearer nonsense", "Bearer mq_" + "0" * 57, "mq_x"])
def test_what_is_no_key_is_refused(http: httpx2.Client, authorization: str) -> None:
    """Before the database is asked."""
    response = http.get("/v1/mailings", headers={"Authorization": authorization})

    problem(response, 401)
    assert response.headers["www-authenticate"].startswith('Bearer realm="mailq"')


def test_a_key_that_has_expired_is_refused(new_caller: NewCaller, database: Database) -> None:
    """It says so to whoever knows it."""
    old = new_caller("read", expires_at=utc_now() + timedelta(hours=1))
    with database.begin() as tx:
        tx.execute(text("UPDATE api_key SET expires_at = now() - interval '1 second'"))

    assert "expired" in problem(old.get("/v1/mailings"), 401)["detail"]


def test_a_revoked_key_is_refused_within_seconds(
    monkeypatch: pytest.MonkeyPatch, new_caller: NewCaller, database: Database
) -> None:
    """A good answer is believed for a while; a bad one never."""
    monkeypatch.setattr(callers, "BELIEVED_FOR_S", 0.1)
    mine = new_caller("read")
    assert mine.get("/v1/mailings").status_code == 200

    keys.revoke(database, None, mine.key.split("_")[1])

    refused = eventually(lambda: (found := mine.get("/v1/mailings")).status_code == 401 and found)
    assert "revoked" in problem(refused, 401)["detail"]


def test_a_key_costs_no_question_per_request(caller: Caller, http: httpx2.Client, database: Database) -> None:
    """Of many requests in a row the database hears of the first."""
    caller.get("/v1/mailings")
    with database.begin() as tx:
        tx.execute(text("UPDATE api_key SET revoked_at = now()"))

    assert [caller.get("/v1/mailings").status_code for _ in range(5)] == [200] * 5


def test_a_key_that_asks_too_often_is_told_to_wait(new_caller: NewCaller) -> None:
    """429 with the time to wait; what is refused is not done."""
    busy = new_caller("send", rate_per_s=3)
    answers = [busy.post("/v1/messages", json=WORDS) for _ in range(12)]
    refused = [each for each in answers if each.status_code != 202]

    assert len(refused) >= 3
    for each in refused:
        problem(each, 429)
        assert each.headers["retry-after"] == "1"
        assert each.headers["ratelimit-policy"] == '"key";q=3;w=1'
        assert each.headers["ratelimit"] == '"key";r=0;t=1'
    eventually(lambda: busy.post("/v1/messages", json=WORDS).status_code == 202)


@pytest.mark.parametrize("rate", [1, 7, 1000])
def test_all_processes_share_a_keys_rate(redis_url: str, rate: int) -> None:
    """Counted in Redis: together they may make as many requests a second as one alone."""
    processes = [Rates(redis_url, clock=lambda: 100.0) for _ in range(2)]
    numbers = count()

    async def ask() -> int:
        key_id = f"shared-{rate}-{next(numbers)}"
        grants = [await processes[number % 2].take(key_id, rate) for number in range(rate * 2)]
        return sum(each.allowed for each in grants)

    # Again where the second ended on the way, by Redis's clock, and another one began.
    eventually(lambda: asyncio.run(ask()) == rate)


def test_a_redis_that_is_away_refuses_nobody() -> None:
    """Each process counts for itself then, and asks Redis again after a while."""
    rates = Rates("redis://127.0.0.1:1/0", clock=lambda: 100.0)

    async def ask() -> list[bool]:
        return [(await rates.take("key", 2)).allowed for _ in range(3)]

    assert asyncio.run(ask()) == [True, True, False]


class Silent:
    """A Redis that keeps its answers until it is let go."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.num_answered = 0

    def incr(self, *_: object) -> int:
        """Count."""
        assert self.answers.wait(30)
        self.num_answered += 1
        return self.num_answered


def test_a_redis_that_says_nothing_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it is known to be away it is asked beside the requests, and asked for every count again when it is back."""
    clock, silent = count(100, 20), Silent()
    rates = Rates("redis://127.0.0.1:1/0", clock=lambda: next(clock))

    async def ask() -> None:
        await rates.take("key", 1000)
        monkeypatch.setattr(rates, "_shared", silent)
        for _ in range(3):
            assert (await asyncio.wait_for(rates.take("key", 1000), 10)).allowed
        assert silent.num_answered == 0
        silent.answers.set()
        await asyncio.wait_for(happens(lambda: not rates._alone), 10)
        before = silent.num_answered
        for number in range(1, 4):
            await rates.take("key", 1000)
            assert silent.num_answered == before + number

    asyncio.run(ask())


def test_the_log_has_a_line_for_each_request_and_no_secret(caller: Caller, caplog: pytest.LogCaptureFixture) -> None:
    """The route and not the path, which may name a recipient; the key's id and not the key."""
    with caplog.at_level("INFO", "mailq.web.api.access"):
        caller.get("/v1/recipients/ann@x.example/history")
        eventually(lambda: caplog.records)

    (line,) = [str(each.msg) for each in caplog.records]
    assert "/v1/recipients/{address:path}/history" in line or "/v1/recipients/{address}/history" in line
    assert caller.key.split("_")[1] in line
    assert "ann@x.example" not in line
    assert caller.key not in line
