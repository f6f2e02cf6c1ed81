"""Calls over HTTP: received, found, listed, taken back, and run at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from mailq.admin import maintenance
from mailq.store.database import Database
from tests.integration.web.calls.conftest import ANN, BOB, SUPPRESSED, call
from tests.integration.web.conftest import LETTER, WORDS, NewCaller, with_key
from tests.support.api import Caller, problem, where
from tests.support.waiting import eventually

Run = Callable[[], None]


def num_calls(database: Database) -> int:
    """Calls in the books."""
    with database.begin() as tx:
        return int(tx.execute(text("SELECT count(*) FROM call")).scalar_one())


def test_a_call_is_received_run_and_found(caller: Caller, run: Run) -> None:
    """Its results are there when it has run, each under the name its producer gave to the object."""
    answer = caller.post("/v1/calls", json=call(ANN | {"correlation_id": "a"}, SUPPRESSED, BOB | {"correlation_id": "b"}))

    assert answer.status_code == 202, answer.text
    said = answer.json()
    assert said | {"request_id": ""} == {
        "request_id": "",
        "created": True,
        "state": "ready",
        "conversation_id": None,
        "sequence_code": None,
        "maintenance": False,
    }
    assert answer.headers["location"] == f"/v1/calls/{said['request_id']}"
    before = caller.get(answer.headers["location"]).json()
    assert (before["state"], before["num_objects"], before["results"]) == ("ready", 3, [])
    run()
    after = caller.get(answer.headers["location"]).json()
    assert (after["state"], after["error"]) == ("finished", None)
    assert [(each["ordinal"], each["status"], each["correlation_id"]) for each in after["results"]] == [
        (1, "ok", "a"),
        (2, "ok", None),
        (3, "ok", "b"),
    ]
    assert caller.get("/v1/subscribers/ann").json()["address"] == "ann@x.example"


def test_an_object_that_is_refused_says_why_and_the_others_stay(caller: Caller, run: Run) -> None:
    """The call is in error then; the result points at what is at fault."""
    received = caller.post("/v1/calls", json=call(ANN, ANN | {"address": "eve@x.example"}, BOB)).json()
    run()

    shown = caller.get(f"/v1/calls/{received['request_id']}").json()
    assert shown["state"] == "error"
    assert [each["status"] for each in shown["results"]] == ["ok", "error", "ok"]
    assert caller.get("/v1/subscribers/ann").json()["address"] == "ann@x.example"
    assert caller.get("/v1/subscribers/bob").status_code == 200


@pytest.mark.parametrize("first", ["header", "body"])
def test_the_same_call_under_the_same_key_is_one(caller: Caller, database: Database, first: str) -> None:
    """Other words under that key are a conflict, told of where the key stood."""
    said, other = call(ANN), call(BOB)
    asked = [
        (said, with_key("import-7")) if first == "header" else (said | {"key": "import-7"}, {}),
        (said | {"key": "import-7"}, {}),
        (said, with_key("import-7")),
    ]

    answers = [caller.post("/v1/calls", json=body, headers=headers) for body, headers in asked]

    assert [each.status_code for each in answers] == [202, 202, 202]
    assert [each.json()["created"] for each in answers] == [True, False, False]
    assert len({each.json()["request_id"] for each in answers}) == 1
    assert where(problem(caller.post("/v1/calls", json=other, headers=with_key("import-7")), 409)) == ["Idempotency-Key"]
    assert where(problem(caller.post("/v1/calls", json=other | {"key": "import-7"}), 409)) == ["#/key"]
    assert where(problem(caller.post("/v1/calls", json=other | {"key": "a"}, headers=with_key("b")), 422)) == ["Idempotency-Key"]
    assert num_calls(database) == 1


def test_many_at_once_are_each_received_once(caller: Caller, database: Database) -> None:
    """Gathered into few transactions, with messages among them; those of one key are one call, and a conflict spoils nothing."""

    def ask(number: int) -> Any:
        if number % 4 == 3:
            return caller.post("/v1/messages", json=WORDS, headers=with_key(f"order-{number}"))
        said = call(ANN if number % 4 else BOB)
        return caller.post("/v1/calls", json=said, headers=with_key(f"call-{number % 20}"))

    caller.post("/v1/calls", json=call({"type": "subscriber", "customer_key": "taken", "address": "t@x.example"}, key="call-0"))
    with ThreadPoolExecutor(16) as crowd:
        answers = list(crowd.map(ask, range(80)))

    assert [number for number, each in enumerate(answers) if each.status_code != 202] == [0, 20, 40, 60]
    assert {each.status_code for each in answers} == {202, 409}
    calls = {each.json()["request_id"] for each in answers if "request_id" in each.text}
    assert len(calls) == 14
    assert num_calls(database) == 15


@pytest.mark.parametrize(
    ("said", "status"),
    [(call(ANN, request_type="synchronous"), "finished"), (call(ANN, ANN, request_type="synchronous"), "error")],
)
def test_a_synchronous_call_is_answered_with_its_results(caller: Caller, said: dict[str, Any], status: str) -> None:
    """It has run when it is answered, and is kept as any other; the same again is answered as then, and not run."""
    answers = [caller.post("/v1/calls", json=said, headers=with_key("now")) for _ in range(2)]

    assert [each.status_code for each in answers] == [200, 200]
    first, again = (each.json() for each in answers)
    assert (first["created"], again["created"]) == (True, False)
    assert first["state"] == status
    assert first["results"][0]["status"] == "ok"
    assert again | {"created": True} == first
    shown = caller.get(answers[0].headers["location"]).json()
    assert (shown["state"], shown["results"]) == (status, first["results"])
    problem(caller.post("/v1/calls", json=call(BOB, request_type="synchronous"), headers=with_key("now")), 409)


def test_synchronous_calls_that_wait_for_another_transaction_keep_nobody_else_waiting(
    caller: Caller, stranger: Caller, database: Database
) -> None:
    caller.post("/v1/calls", json=call(ANN, request_type="synchronous"))
    change = call({"type": "subscriber", "customer_key": "ann", "status": "held"}, method="update", request_type="synchronous")
    with ThreadPoolExecutor(20) as threads, database.begin() as app:
        app.execute(text("SELECT FROM subscriber FOR UPDATE"))
        waiting = [threads.submit(caller.post, "/v1/calls", json=change) for _ in range(20)]
        locked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        eventually(lambda: app.execute(text(locked)).scalar_one())
        assert stranger.get("/v1/calls").status_code == 200
        assert not any(each.done() for each in waiting)
    assert {each.result().status_code for each in waiting} == {200}


def test_in_maintenance_everything_is_received_and_says_so(caller: Caller, database: Database, run: Run) -> None:
    """It waits. What its producer waits for is refused for now, but for what has run before."""
    at_once = call(BOB, request_type="synchronous", key="done before")
    done = caller.post("/v1/calls", json=at_once).json()
    maintenance.on(database, actor="tests", why="a new disk")

    received = caller.post("/v1/calls", json=call(ANN)).json()
    run()

    assert received["maintenance"] is True
    assert caller.get(f"/v1/calls/{received['request_id']}").json() | {"results": 0} == caller.get(
        f"/v1/calls/{received['request_id']}"
    ).json() | {"results": 0, "state": "ready", "maintenance": True}
    refused = caller.post("/v1/calls", json=call(ANN, request_type="synchronous"))
    assert "asynchronous" in problem(refused, 503)["detail"]
    assert refused.headers["retry-after"] == "5"
    assert caller.post("/v1/calls", json=at_once).json() == done | {"created": False}
    standing = caller.get("/v1/maintenance").json()
    assert (standing["maintenance"], standing["why"]) == (True, "a new disk")
    maintenance.off(database, actor="tests")
    run()
    assert caller.get(f"/v1/calls/{received['request_id']}").json()["state"] == "finished"
    assert caller.get("/v1/maintenance").json() == {"maintenance": False, "since": None, "why": None}


def test_what_its_producer_waits_for_is_refused_by_a_database_that_has_forgotten(caller: Caller, database: Database) -> None:
    """Until an operator has looked; nothing is said of maintenance, because there is none."""
    with database.begin() as tx:
        tx.execute(text("UPDATE installation SET behind_since = now(), behind_why = 'restored'"))
    refused = caller.post("/v1/calls", json=call(ANN, request_type="synchronous"))
    with database.begin() as tx:
        tx.execute(text("UPDATE installation SET behind_since = NULL, behind_why = NULL"))
    assert "operator" in problem(refused, 503)["detail"]
    assert refused.headers["retry-after"] == "5"
    assert num_calls(database) == 0


def test_calls_are_listed_by_pages_and_states(caller: Caller, stranger: Caller, run: Run) -> None:
    """The newest first; another organization's are none of them."""
    ids = [caller.post("/v1/calls", json=call(ANN | {"customer_key": str(number)})).json()["request_id"] for number in range(3)]
    run()
    ids.append(
        caller.post("/v1/calls", json=call(BOB, scheduled_time="2199-01-01T00:00:00Z", priority="high")).json()["request_id"]
    )
    stranger.post("/v1/calls", json=call(ANN))

    first = caller.get("/v1/calls", params={"limit": 3})
    second = caller.get(first.headers["link"].split(">")[0].removeprefix("<"))

    assert [each["request_id"] for each in first.json()["data"] + second.json()["data"]] == ids[::-1]
    assert second.json()["next_cursor"] is None
    scheduled = caller.get("/v1/calls", params={"state": "scheduled"}).json()["data"]
    assert [(each["request_id"], each["priority"], each["scheduled_time"]) for each in scheduled] == [
        (ids[-1], "high", "2199-01-01T00:00:00Z")
    ]
    assert where(problem(caller.get("/v1/calls", params={"cursor": "req_nothing"}), 422)) == ["cursor"]


def test_a_call_that_has_not_run_is_taken_back(caller: Caller, run: Run) -> None:
    """Once more is no mistake; what has run stays as it is."""
    received = caller.post("/v1/calls", json=call(ANN)).json()["request_id"]
    done = caller.post("/v1/calls", json=call(BOB)).json()["request_id"]

    states = [caller.delete(f"/v1/calls/{received}").json()["state"] for _ in range(2)]
    run()

    assert states == ["cancelled", "cancelled"]
    assert caller.get("/v1/subscribers/ann").status_code == 404
    problem(caller.delete(f"/v1/calls/{done}"), 409)


def test_what_is_anothers_is_not_there(caller: Caller, stranger: Caller, run: Run) -> None:
    """Calls, conversations, subscribers and lists are of one organization."""
    received = caller.post("/v1/calls", json=call(ANN, conversation_id="mine")).json()["request_id"]
    caller.post("/v1/calls", json=call({"type": "recipient_list", "customer_key": "vip", "name": "VIP"}))
    run()
    paths = ["/v1/conversations/mine", "/v1/conversations/mine/results", "/v1/conversations/mine/notifications"]
    paths += [f"/v1/calls/{received}", f"/v1/calls/{received}/notifications", "/v1/subscribers/ann", "/v1/recipient-lists/vip"]

    assert [caller.get(path).status_code for path in paths] == [200] * len(paths)
    for path in paths:
        problem(stranger.get(path), 404)
    problem(stranger.delete(f"/v1/calls/{received}"), 404)
    assert stranger.get("/v1/calls").json()["data"] == []


def test_lists_and_subscribers_are_shown(caller: Caller, run: Run) -> None:
    """By the producer's own keys, whatever is in them."""
    key = "a/b % c?"
    caller.post("/v1/calls", json=call(ANN | {"customer_key": key, "attributes": {"city": "Köln"}, "status": "held"}))
    members = [{"subscriber": key}, {"address": "eve@x.example"}]
    caller.post("/v1/calls", json=call({"type": "recipient_list", "customer_key": key, "name": "All", "recipients": members}))
    run()

    shown = caller.get("/v1/subscribers/a%2Fb%20%25%20c%3F").json()
    assert (shown["attributes"], shown["status"]) == ({"city": "Köln"}, "held")
    listed = caller.get("/v1/recipient-lists/a%2Fb%20%25%20c%3F").json()
    assert (listed["name"], listed["num_members"]) == ("All", 2)


def test_answers_to_a_call_are_shown(caller: Caller, run: Run) -> None:
    """Where they go, and how far they are."""
    wanted = [{"response_type": "http_post", "response_address": "https://hooks.example/a", "respond_when": "always"}]
    received = caller.post("/v1/calls", json=call(ANN, send_response_to=wanted)).json()["request_id"]
    assert caller.get(f"/v1/calls/{received}/notifications").json()["data"] == []
    run()

    [told] = caller.get(f"/v1/calls/{received}/notifications").json()["data"]
    assert (told["event"], told["address"], told["state"]) == ("call.finished", "https://hooks.example/a", "pending")
    assert told["notification_id"].startswith("ntf_")


def test_scopes(new_caller: NewCaller) -> None:
    """A key that sends does not look, one that looks does not send; what has been suppressed is an administrator's to take back."""
    sends, reads, admin = new_caller("send"), new_caller("read"), new_caller("admin")
    received = sends.post("/v1/calls", json=call({"type": "suppression", "address": "ann@x.example"}))
    path = received.headers["location"]
    free = call({"type": "suppression", "address": "ann@x.example"}, method="delete")

    assert received.status_code == 202
    problem(sends.get(path), 403)
    problem(sends.get("/v1/calls"), 403)
    problem(reads.post("/v1/calls", json=call(ANN)), 403)
    problem(reads.delete(path), 403)
    assert reads.get(path).status_code == 200
    assert sends.delete(path).status_code == 200
    assert 'scope="admin"' in sends.post("/v1/calls", json=free).headers["www-authenticate"]
    assert admin.post("/v1/calls", json=free).status_code == 202


def test_a_mailing_is_made_filled_and_started_by_calls(caller: Caller, run: Run) -> None:
    """As one that was made by the other routes, and found there."""
    words = {name: value for name, value in LETTER.items() if name != "name"}
    made = {"type": "mailing", "customer_key": "sale", "name": "sale", **words}
    parts = [
        call(made | {"recipients": [{"address": "ann@x.example", "variables": {"name": "Ann"}}]}),
        call({"type": "mailing", "customer_key": "sale", "action": "start"}, method="perform"),
    ]
    for number, each in enumerate(parts):
        each["options"] |= {"conversation_id": "sale", "sequence_code": number + 1, "calls_in_conversation": 2}
        assert caller.post("/v1/calls", json=each).status_code == 202
    run()

    shown = caller.get("/v1/mailings/sale").json()
    assert (shown["num_profiles"], shown["complete"]) == (1, True), caller.get("/v1/conversations/sale/results").text
