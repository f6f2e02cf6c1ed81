"""Conversations over HTTP: parts in any order, run in sequence, never twice."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from mailq.store.database import Database
from tests.integration.web.calls.conftest import ANN, BOB, call, part
from tests.support.api import Caller, problem, where

Run = Callable[[], None]


def shown(caller: Caller, conversation_id: str = "c", **query: Any) -> dict[str, Any]:
    """A conversation."""
    found: dict[str, Any] = caller.get(f"/v1/conversations/{conversation_id}", params=query).json()
    return found


def test_parts_in_any_order_run_in_sequence_once_all_are_there(caller: Caller, run: Run) -> None:
    """Until then it says which are missing."""
    for code in (3, 1):
        received = caller.post("/v1/calls", json=part(code, 4)).json()
        assert (received["state"], received["conversation_id"], received["sequence_code"]) == ("waiting", "c", code)
    run()
    receiving = shown(caller)
    assert (receiving["state"], receiving["num_received"], receiving["missing"]) == ("receiving", 2, [2, 4])

    caller.post("/v1/calls", json=part(4, 4))
    assert caller.post("/v1/calls", json=part(2, 4)).json()["state"] == "waiting"
    assert [each["state"] for each in shown(caller)["parts"]] == ["ready", "waiting", "waiting", "waiting"]
    run()

    ended = shown(caller)
    assert (ended["state"], ended["num_run"], ended["missing"], ended["error"]) == ("finished", 4, [], None)
    assert [each["sequence_code"] for each in ended["parts"]] == [1, 2, 3, 4]
    times = [each["ended_at"] for each in ended["parts"]]
    assert times == sorted(times)


def test_the_last_part_to_come_is_the_first_to_run(caller: Caller) -> None:
    """Its answer says so."""
    caller.post("/v1/calls", json=part(2, 2))

    assert caller.post("/v1/calls", json=part(1, 2)).json()["state"] == "ready"


def test_without_the_two_numbers_it_has_one_part(caller: Caller, run: Run) -> None:
    """And runs at once."""
    received = caller.post("/v1/calls", json=call(ANN, conversation_id="single")).json()
    run()

    assert (received["state"], received["sequence_code"]) == ("ready", 1)
    assert shown(caller, "single")["state"] == "finished"


def test_a_part_in_error_ends_it(caller: Caller, run: Run) -> None:
    """Later parts never run; which one it was, and why, is told."""
    for code, objects in ((1, [ANN]), (2, [ANN]), (3, [BOB])):
        caller.post("/v1/calls", json=part(code, 3, *objects))
    run()

    ended = shown(caller)
    assert (ended["state"], ended["in_error"], ended["num_run"]) == ("error", 2, 2)
    assert [each["state"] for each in ended["parts"]] == ["finished", "error", "not_run"]
    results = caller.get("/v1/conversations/c/results").json()["data"]
    assert [(each["sequence_code"], each["status"]) for each in results] == [(1, "ok"), (2, "error")]
    assert caller.get("/v1/subscribers/bob").status_code == 404


def test_a_part_that_comes_again_is_answered_as_before(caller: Caller, database: Database, run: Run) -> None:
    """Whatever has become of its conversation; it is not run again."""
    first = [caller.post("/v1/calls", json=part(code, 2)).json() for code in (1, 2)]
    run()

    again = [caller.post("/v1/calls", json=part(code, 2)).json() for code in (1, 2)]

    assert [each["created"] for each in first + again] == [True, True, False, False]
    assert [each["request_id"] for each in again] == [each["request_id"] for each in first]
    assert {each["state"] for each in again} == {"finished"}
    with database.begin() as tx:
        assert tx.execute(text("SELECT count(*) FROM call_result")).scalar_one() == 2


@pytest.mark.parametrize(
    ("said", "at"),
    [
        (part(1, 3, BOB), "#/options/sequence_code"),
        (part(1, 3, priority="high"), "#/options/sequence_code"),
        (part(2, 4), "#/options/calls_in_conversation"),
        (call(ANN, conversation_id="c"), "#/options/calls_in_conversation"),
    ],
    ids=["other words", "other options", "another length", "no numbers"],
)
def test_a_part_that_contradicts_is_refused(caller: Caller, said: dict[str, Any], at: str) -> None:
    """With a pointer to what it contradicts; the conversation goes on."""
    caller.post("/v1/calls", json=part(1, 3))

    assert where(problem(caller.post("/v1/calls", json=said), 409)) == [at]
    assert shown(caller)["num_received"] == 1


@pytest.mark.parametrize("fails", [False, True])
def test_an_id_that_was_used_is_not_to_be_had_again(caller: Caller, stranger: Caller, run: Run, *, fails: bool) -> None:
    """Also that of one in error; another organization may have the same."""
    caller.post("/v1/calls", json=call(*([ANN, ANN] if fails else [ANN]), conversation_id="c"))
    run()

    for said in (call(BOB, conversation_id="c"), part(2, 2)):
        assert problem(caller.post("/v1/calls", json=said), 409)["errors"][0]["pointer"].startswith("#/options/")
    assert where(problem(caller.post("/v1/calls", json=part(2, 3)), 409)) == ["#/options/conversation_id"]
    assert stranger.post("/v1/calls", json=call(BOB, conversation_id="c")).json()["created"] is True


def test_a_part_that_comes_too_late_ends_it(caller: Caller, database: Database) -> None:
    """The part is refused, and the conversation is in error from then on."""
    caller.post("/v1/calls", json=part(1, 2))
    with database.begin() as tx:
        tx.execute(text("UPDATE conversation SET last_part_at = last_part_at - interval '6 minutes'"))

    assert where(problem(caller.post("/v1/calls", json=part(2, 2)), 409)) == ["#/options/conversation_id"]

    ended = shown(caller)
    assert (ended["state"], ended["missing"]) == ("error", [2])
    assert [each["state"] for each in ended["parts"]] == ["not_run"]


def test_many_conversations_at_once_each_have_their_parts_once(caller: Caller, run: Run) -> None:
    """Each part is sent twice, all of them at nearly the same time."""
    said = [part(code, 5, of=f"c{number}") for number in range(6) for code in (5, 3, 1, 2, 4)] * 2
    with ThreadPoolExecutor(16) as crowd:
        answers = list(crowd.map(lambda each: caller.post("/v1/calls", json=each), said))

    assert {each.status_code for each in answers} == {202}
    assert sum(each.json()["created"] for each in answers) == 30
    assert len({each.json()["request_id"] for each in answers}) == 30
    assert {shown(caller, f"c{number}")["state"] for number in range(6)} == {"running"}


def test_parts_and_results_come_by_pages(caller: Caller, run: Run) -> None:
    """In sequence; the ends of pages fall where they may."""
    for code in range(1, 6):
        objects = [{"type": "subscriber", "customer_key": f"{code}-{number}", "address": "s@x.example"} for number in range(2)]
        caller.post("/v1/calls", json=part(code, 5, *objects, of="a/b"))
    run()

    codes, cursor = [], None
    while True:
        page = caller.get("/v1/conversations/a%2Fb", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        codes += [each["sequence_code"] for each in page["parts"]]
        if (cursor := page["next_cursor"]) is None:
            break
    results, path = [], "/v1/conversations/a%2Fb/results?limit=3"
    while path:
        answer = caller.get(path)
        results += [(each["sequence_code"], each["ordinal"]) for each in answer.json()["data"]]
        path = answer.headers.get("link", "").split(">")[0].removeprefix("<")

    assert codes == [1, 2, 3, 4, 5]
    assert results == [(code, ordinal) for code in codes for ordinal in (1, 2)]
    for path in ("/v1/conversations/a%2Fb", "/v1/conversations/a%2Fb/results"):
        for wrong in ("x", "1-", "-1-1", "1-2-3", "²-1"[1:] + "-"):
            assert where(problem(caller.get(path, params={"cursor": wrong}), 422)) == ["cursor"]


def test_answers_about_a_conversation_are_its_own(caller: Caller, run: Run) -> None:
    """Once for each address, however many parts ask."""
    wanted = [
        {"response_type": "http_post", "response_address": "https://hooks.example/a", "respond_when": "on_conversation_complete"}
    ]
    received = [caller.post("/v1/calls", json=part(code, 2, send_response_to=wanted)).json()["request_id"] for code in (1, 2)]
    run()

    [told] = caller.get("/v1/conversations/c/notifications").json()["data"]
    assert told["event"] == "conversation.finished"
    assert [caller.get(f"/v1/calls/{each}/notifications").json()["data"] for each in received] == [[], []]
