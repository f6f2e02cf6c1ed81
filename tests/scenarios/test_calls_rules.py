"""The rules of calls and conversations, each by its name: over HTTP, with a worker server that runs them, and answers that arrive."""

import csv
import email
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import policy
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from standardwebhooks import Webhook

from mailq.admin import keys, organizations, webhook_secrets
from mailq.core.call import RespondWhen
from mailq.local import ports
from mailq.settings import Settings
from mailq.store.database import Database
from tests.support.api import Caller, problem, serving_api, where
from tests.support.call_stack import CallStack, Said, fresh, running, subscriber, taken
from tests.support.nodes.broker import Broker
from tests.support.servers import Databases
from tests.support.waiting import eventually

FIVE_MINUTES = timedelta(minutes=5)


@pytest.fixture(scope="module")
def stack(databases: Databases, broker_node: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CallStack]:
    """One for all tests here, which share nothing but it: each has names of its own."""
    broker_node.revive()
    broker_node.flush()
    url = databases.create()
    with running(url, broker_node.url, tmp_path_factory.mktemp("calls")) as found:
        yield found
    databases.drop(url)


def answered(address: str, when: str = "always", *, kind: str = "http_post", **more: bool) -> list[Said]:
    """One answer that is asked for."""
    return [{"response_type": kind, "response_address": address, "respond_when": when, **more}]


def in_order_of_ends(calls: list[Said]) -> list[str]:
    return [call["request_id"] for call in sorted(calls, key=lambda call: str(call["ended_at"]))]


def pass_between_parts(stack: CallStack, conversation_id: str, time: timedelta) -> None:
    """Let so much time have passed since its last part."""
    with stack.database.begin() as tx:
        facts = {"time": time, "key": conversation_id}
        tx.execute(text("UPDATE conversation SET last_part_at = last_part_at - :time WHERE key = :key"), facts)


def test_calls_are_processed_in_the_order_they_were_received(stack: CallStack) -> None:
    with stack.maintenance():
        sent = [stack.send("create", subscriber()) for _ in range(8)]
    ended = [stack.ended(each) for each in sent]

    assert {call["state"] for call in ended} == {"finished"}
    assert in_order_of_ends(ended) == [each["request_id"] for each in sent]


def test_a_call_is_processed_at_its_scheduled_time(stack: CallStack) -> None:
    at = datetime.now(UTC) + timedelta(seconds=1)
    later = stack.send("create", subscriber(), scheduled_time=at.isoformat())
    now = stack.ended(stack.send("create", subscriber()))

    ended = stack.ended(later)
    assert (later["state"], ended["state"]) == ("scheduled", "finished")
    assert datetime.fromisoformat(now["ended_at"]) < at <= datetime.fromisoformat(ended["ended_at"])


def test_calls_are_processed_by_priority(stack: CallStack) -> None:
    with stack.maintenance():
        sent = {name: stack.send("create", subscriber(), priority=name) for name in ("low", "normal", "high")}
    ended = [stack.ended(each) for each in sent.values()]

    assert in_order_of_ends(ended) == [sent[name]["request_id"] for name in ("high", "normal", "low")]


def test_calls_are_not_dropped_in_maintenance(stack: CallStack) -> None:
    """They are accepted, wait, and are told of; only what wants to be run at once is refused, and is to be sent asynchronous."""
    key = fresh("s")
    with stack.maintenance():
        sent = stack.send("create", subscriber(key))
        waiting = stack.call(sent["request_id"])
        at_once = stack.ask("create", subscriber(), request_type="synchronous")
        known = stack.caller.get("/v1/maintenance").json()

    assert (sent["maintenance"], waiting["maintenance"], waiting["state"], known["maintenance"]) == (True, True, "ready", True)
    assert "asynchronous" in problem(at_once, 503)["detail"]
    assert at_once.headers["Retry-After"]
    assert stack.ended(sent)["state"] == "finished"
    assert stack.has(key)


def test_the_endpoint_accepts_while_workers_and_redis_are_down(databases: Databases) -> None:
    """PostgreSQL is all it needs; the call is there when the workers are."""
    url = databases.create()
    nobody = f"redis://127.0.0.1:{ports.free()}/0"
    database = Database(url, application="tests")
    with serving_api(Settings(database_url=url, redis_url=nobody)) as api, httpx2.Client(base_url=api.url) as http:  # type: ignore[arg-type]
        alone = Caller(http, keys.create(database, "default", "tests", ["send", "read"]).key)
        said = {"method": "create", "objects": [subscriber()]}
        answers = [alone.post("/v1/calls", json=said) for _ in range(3)]
        states = [alone.get(f"/v1/calls/{answer.json()['request_id']}").json()["state"] for answer in answers]
    database.close()
    databases.drop(url)

    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert states == ["ready", "ready", "ready"]


def test_create_update_delete_and_perform_are_processed_asynchronously(stack: CallStack) -> None:
    key, sale = fresh("s"), fresh("sale")
    words = {"name": sale, "subject": "Sale", "sender": "shop@mailq.example", "text": "It begins."}
    stack.ended(stack.send("create", subscriber(key), {"type": "mailing", "customer_key": sale, **words}))
    stack.ended(stack.send("update", {"type": "subscriber", "customer_key": key, "attributes": {"city": "Rome"}}))
    updated = stack.caller.get(f"/v1/subscribers/{key}").json()
    performed = stack.ended(stack.send("perform", {"type": "mailing", "customer_key": sale, "action": "cancel"}))
    deleted = stack.ended(stack.send("delete", {"type": "subscriber", "customer_key": key}))

    assert updated["attributes"] == {"city": "Rome"}
    assert (performed["state"], deleted["state"]) == ("finished", "finished"), (performed["results"], deleted["results"])
    assert not stack.has(key)


def test_a_synchronous_call_is_processed_when_it_is_received(stack: CallStack) -> None:
    key = fresh("s")
    answer = stack.ask("create", subscriber(key, correlation_id="x"), request_type="synchronous")

    assert (answer.status_code, answer.json()["state"]) == (200, "finished")
    assert [result["correlation_id"] for result in answer.json()["results"]] == ["x"]
    assert stack.has(key)


def test_a_call_sent_again_under_its_key_is_not_processed_again(stack: CallStack) -> None:
    key, one = fresh("key"), subscriber()
    first = stack.send("create", one, key=key)
    stack.ended(first)
    again = stack.send("create", one, key=key)

    assert (again["request_id"], first["created"], again["created"], again["state"]) == (
        first["request_id"],
        True,
        False,
        "finished",
    )


def test_a_conversation_begins_after_all_its_parts_are_received(stack: CallStack) -> None:
    """The first part is there, and so is a call that came later and has run."""
    of, keys_ = fresh("v"), [fresh("s"), fresh("s")]
    first = stack.part(of, 1, 2, subscriber(keys_[0]))
    stack.ended(stack.send("create", subscriber()))
    before = (stack.call(first["request_id"])["state"], stack.has(keys_[0]), stack.conversation(of))
    stack.part(of, 2, 2, subscriber(keys_[1]))

    assert before[:2] == ("waiting", False)
    assert (before[2]["state"], before[2]["missing"]) == ("receiving", [2])
    assert stack.ended_conversation(of)["state"] == "finished"
    assert all(stack.has(key) for key in keys_)


def test_parts_sent_in_any_order_are_processed_in_sequence(stack: CallStack) -> None:
    """Each part but the first changes what the one before has made."""
    of, key = fresh("v"), fresh("s")
    steps: dict[int, tuple[str, Said]] = {
        1: ("create", subscriber(key, attributes={"n": 1})),
        2: ("update", {"type": "subscriber", "customer_key": key, "attributes": {"n": 2}}),
        3: ("delete", {"type": "subscriber", "customer_key": key}),
        4: ("create", subscriber(key, attributes={"n": 4})),
        5: ("update", {"type": "subscriber", "customer_key": key, "attributes": {"m": 5}}),
    }
    for code in (4, 2, 5, 1, 3):
        method, step = steps[code]
        stack.part(of, code, 5, step, method=method)
    ended = stack.ended_conversation(of)

    assert (ended["state"], ended["num_run"]) == ("finished", 5)
    by_end = sorted(ended["parts"], key=lambda part: str(part["ended_at"]))
    assert [part["sequence_code"] for part in by_end] == [1, 2, 3, 4, 5]
    assert stack.caller.get(f"/v1/subscribers/{key}").json()["attributes"] == {"n": 4, "m": 5}


def test_without_sequence_code_and_number_of_calls_a_conversation_has_one_part_and_begins_at_once(stack: CallStack) -> None:
    of, key = fresh("v"), fresh("s")
    sent = stack.send("create", subscriber(key), conversation_id=of)
    ended = stack.ended_conversation(of)

    assert (sent["sequence_code"], ended["calls_in_conversation"], ended["state"]) == (1, 1, "finished")
    assert stack.has(key)


@pytest.mark.parametrize(
    ("numbers", "pointer"),
    [
        ({"sequence_code": 0, "calls_in_conversation": 2}, "sequence_code"),
        ({"sequence_code": 3, "calls_in_conversation": 2}, "sequence_code"),
        ({"sequence_code": 1, "calls_in_conversation": 0}, "calls_in_conversation"),
        ({"sequence_code": 1, "calls_in_conversation": 10_001}, "calls_in_conversation"),
        ({"sequence_code": 1}, "calls_in_conversation"),
        ({"calls_in_conversation": 2}, "sequence_code"),
    ],
)
def test_sequence_codes_begin_at_1_and_skip_no_value(stack: CallStack, numbers: dict[str, int], pointer: str) -> None:
    refused = problem(stack.ask("create", subscriber(), conversation_id=fresh("v"), **numbers), 422)

    assert where(refused) == [f"#/options/{pointer}"]


def test_sequence_code_and_number_of_calls_need_a_conversation_id(stack: CallStack) -> None:
    refused = problem(stack.ask("create", subscriber(), sequence_code=1, calls_in_conversation=1), 422)

    assert "needs a conversation_id" in refused["detail"]


def test_a_part_in_error_puts_its_conversation_into_error_and_later_parts_are_not_processed(stack: CallStack) -> None:
    of, keys_ = fresh("v"), [fresh("s") for _ in range(4)]
    for code in (4, 3, 1):
        stack.part(of, code, 4, subscriber(keys_[code - 1]))
    stack.part(of, 2, 4, taken())
    ended = stack.ended_conversation(of)

    assert (ended["state"], ended["in_error"], ended["num_run"]) == ("error", 2, 2)
    assert [part["state"] for part in ended["parts"]] == ["finished", "error", "not_run", "not_run"]
    assert [stack.has(key) for key in keys_] == [True, False, False, False]
    assert [(each["sequence_code"], each["status"]) for each in stack.results_of(of)] == [(1, "ok"), (2, "error")]


def test_a_conversation_id_that_was_used_is_not_processed_again(stack: CallStack) -> None:
    of, key = fresh("v"), fresh("s")
    stack.send("create", subscriber(), conversation_id=of)
    stack.ended_conversation(of)
    more = [
        stack.ask("create", subscriber(key), conversation_id=of),
        stack.ask("create", subscriber(key), conversation_id=of, sequence_code=2, calls_in_conversation=2),
    ]

    for answer in more:
        assert where(problem(answer, 409))[0].startswith("#/options/")
    assert stack.conversation(of)["num_received"] == 1
    assert not stack.has(key)


def test_a_conversation_id_is_unique_for_its_account_alone(stack: CallStack) -> None:
    of = fresh("v")
    organizations.create(stack.database, "elsewhere")
    other = Caller(stack.caller.http, keys.create(stack.database, "elsewhere", "tests", ["admin"]).key)
    ours = stack.send("create", subscriber(), conversation_id=of)
    theirs = stack.ask("create", subscriber(), conversation_id=of, caller=other)

    assert theirs.status_code == 202
    assert theirs.json()["request_id"] != ours["request_id"]
    assert stack.ended_conversation(of)["num_received"] == 1


def test_a_conversation_sent_again_when_the_connection_was_lost_is_processed_once(stack: CallStack) -> None:
    """Some of it before it runs, and all of it when it has ended."""
    of = fresh("v")
    parts = {code: subscriber() for code in (1, 2, 3)}
    first = [stack.part(of, code, 3, parts[code]) for code in (1, 2)]
    again = [stack.part(of, code, 3, parts[code]) for code in (1, 2)]
    last = stack.part(of, 3, 3, parts[3])
    ended = stack.ended_conversation(of)
    afterwards = [stack.part(of, code, 3, parts[code]) for code in (3, 2, 1)]

    ids = [each["request_id"] for each in (*first, last)]
    assert [each["request_id"] for each in again] == ids[:2]
    assert [each["request_id"] for each in afterwards] == ids[::-1]
    assert {each["created"] for each in (*again, *afterwards)} == {False}
    assert (ended["state"], ended["num_run"], len(stack.results_of(of))) == ("finished", 3, 3)


def test_the_id_of_a_failed_conversation_is_not_submitted_again_and_the_rest_goes_into_a_new_one(stack: CallStack) -> None:
    of, key = fresh("v"), fresh("s")
    stack.part(of, 1, 2, taken())
    stack.part(of, 2, 2, subscriber(key))
    ended = stack.ended_conversation(of)
    refused = stack.ask("create", subscriber(), conversation_id=of, sequence_code=1, calls_in_conversation=2)
    anew = fresh("v")
    stack.send("create", subscriber(key), conversation_id=anew)

    assert ended["state"] == "error"
    problem(refused, 409)
    assert stack.ended_conversation(anew)["state"] == "finished"
    assert stack.has(key)


def test_more_than_five_minutes_between_parts_put_the_conversation_into_error(stack: CallStack) -> None:
    """Nothing of it is processed, and the part that comes then is refused."""
    of, key = fresh("v"), fresh("s")
    first = stack.part(of, 1, 2, subscriber(key))
    pass_between_parts(stack, of, FIVE_MINUTES)
    ended = stack.ended_conversation(of)
    late = stack.ask("create", subscriber(), conversation_id=of, sequence_code=2, calls_in_conversation=2)

    assert (ended["state"], ended["num_run"]) == ("error", 0)
    assert stack.call(first["request_id"])["state"] == "not_run"
    assert where(problem(late, 409)) == ["#/options/conversation_id"]
    assert not stack.has(key)


def test_up_to_five_minutes_between_parts_are_no_mistake(stack: CallStack) -> None:
    of = fresh("v")
    for code in (3, 2):
        stack.part(of, code, 3)
        pass_between_parts(stack, of, FIVE_MINUTES - timedelta(seconds=45))
    stack.part(of, 1, 3)

    assert stack.ended_conversation(of)["state"] == "finished"


def test_a_correlation_id_is_unique_within_its_call(stack: CallStack) -> None:
    refused = problem(stack.ask("create", subscriber(correlation_id="x"), subscriber(correlation_id="x")), 422)

    assert where(refused) == ["#/objects/1/correlation_id"]


def test_a_correlation_id_may_be_used_again_in_other_calls(stack: CallStack) -> None:
    ended = [stack.ended(stack.send("create", subscriber(correlation_id="x"))) for _ in range(2)]

    assert [call["results"][0]["correlation_id"] for call in ended] == ["x", "x"]


def test_a_correlation_id_is_exposed_in_the_results_of_a_call_and_of_a_conversation(stack: CallStack) -> None:
    of = fresh("v")
    sent = stack.send("create", subscriber(correlation_id="a"), subscriber(correlation_id="b"), conversation_id=of)
    ended = stack.ended(sent)

    assert [(result["ordinal"], result["correlation_id"]) for result in ended["results"]] == [(1, "a"), (2, "b")]
    assert [result["correlation_id"] for result in stack.results_of(of)] == ["a", "b"]


def test_a_correlation_id_is_exposed_in_the_extract(stack: CallStack) -> None:
    ended = stack.ended(stack.send("create", subscriber(correlation_id="a"), taken(correlation_id="b")))
    range_ = {"from": ended["ended_at"]}
    as_table = stack.caller.get("/v1/call-results", params=range_).text
    as_lines = stack.caller.get("/v1/call-results", params={**range_, "format": "ndjson"}).text

    for rows in (list(csv.DictReader(io.StringIO(as_table))), [json.loads(line) for line in as_lines.splitlines()]):
        ours = [(row["correlation_id"], row["status"]) for row in rows if row["request_id"] == ended["request_id"]]
        assert ours == [("a", "ok"), ("b", "error")]


def test_a_correlation_id_is_exposed_in_the_email_when_it_includes_the_results(stack: CallStack) -> None:
    """As an attachment; and one of two objects was refused."""
    to = f"{fresh('ann')}@example.com"
    more = answered(to, kind="email", include_results=True)
    ended = stack.ended(stack.send("create", subscriber(correlation_id="a"), taken(correlation_id="b"), send_response_to=more))
    mail = mail_to(stack, to)
    attached = json.loads(next(iter(mail.iter_attachments())).get_content())

    assert ended["request_id"] in mail["Subject"]
    assert attached["data"]["request_id"] == ended["request_id"]
    assert [(each["correlation_id"], each["status"]) for each in attached["data"]["results"]] == [("a", "ok"), ("b", "error")]


def test_an_email_without_results_has_no_attachment(stack: CallStack) -> None:
    to = f"{fresh('ann')}@example.com"
    stack.send("create", subscriber(), send_response_to=answered(to, kind="email"))

    assert list(mail_to(stack, to).iter_attachments()) == []


def mail_to(stack: CallStack, address: str) -> Any:
    """The one mail that has arrived there."""
    found = eventually(lambda: [each for each in stack.sink.accepted if each.recipient == address], within=30)
    assert len(found) == 1
    return email.message_from_bytes(found[0].content, policy=policy.default)


def test_results_are_retrieved_by_request_id_where_there_is_no_conversation_id(stack: CallStack) -> None:
    ended = stack.ended(stack.send("create", subscriber(), taken()))

    assert [result["status"] for result in ended["results"]] == ["ok", "error"]
    assert ended["results"][1]["pointer"]


def test_results_are_retrieved_by_conversation_id(stack: CallStack) -> None:
    of = fresh("v")
    sent = {code: stack.part(of, code, 3) for code in (2, 3, 1)}
    stack.ended_conversation(of)

    found = [(each["sequence_code"], each["request_id"], each["status"]) for each in stack.results_of(of)]
    assert found == [(code, sent[code]["request_id"], "ok") for code in (1, 2, 3)]


def test_a_response_of_type_none_is_not_sent_and_the_results_are_retrieved(stack: CallStack) -> None:
    sent = stack.send("create", subscriber(), send_response_to=[{"response_type": "none"}])

    assert [result["status"] for result in stack.ended(sent)["results"]] == ["ok"]
    assert stack.answers(sent=sent) == []


CALL_ENDED = {"finished": "call.finished", "error": "call.error", "not run": "call.not_run"}
TOLD: dict[str, dict[str, set[str]]] = {
    "never": {},
    "on_error": {"error": {"call.error"}, "not run": {"call.not_run"}},
    "always": {name: {event} for name, event in CALL_ENDED.items()},
    "on_call_complete": {"finished": {"call.finished"}, "error": {"call.error"}},
    "on_conversation_error": {what: {"conversation.error"} for what in ("error", "not run", "bad")},
    "on_conversation_complete": {"finished": {"conversation.finished"}, "good": {"conversation.finished"}},
}
"""What is told of a call that went well, of one in error, and of a part that never ran; and of a good and a bad conversation."""


@pytest.mark.parametrize("when", RespondWhen)
def test_responses_are_sent_as_respond_when_says(stack: CallStack, when: RespondWhen) -> None:
    """Each thing that happens has an address of its own; what was not to be told is not even put down."""
    name = {what: fresh(what.replace(" ", "-")) for what in ("finished", "error", "not run", "good", "bad")}
    to = {what: answered(stack.hook(each), when) for what, each in name.items()}
    good, bad, failing = fresh("v"), fresh("v"), fresh("v")
    sent = [
        stack.send("create", subscriber(), send_response_to=to["finished"]),
        stack.send("create", taken(), send_response_to=to["error"]),
    ]
    for of, first, last in ((good, subscriber(), "good"), (bad, taken(), "bad")):
        # Asked for by both parts, told once.
        wanted = to[last] if when.startswith("on_conversation") else []
        stack.part(of, 1, 2, first, send_response_to=wanted)
        stack.part(of, 2, 2, send_response_to=wanted)
    stack.part(failing, 1, 2, taken())
    not_run = stack.part(failing, 2, 2, send_response_to=to["not run"])

    for each in (*sent, not_run):
        stack.ended(each)
    for of in (good, bad, failing):
        stack.ended_conversation(of)
    made = [each for one in (*sent, not_run) for each in stack.answers(sent=one)]
    made += [each for of in (good, bad, failing) for each in stack.answers(conversation=of)]
    wanted_events = sorted((name[what], event) for what, events in TOLD[when].items() for event in events)
    assert sorted((each["address"].rpartition("/")[2], each["event"]) for each in made) == wanted_events
    eventually(lambda: all(stack.heard(place) for place, _ in wanted_events), within=30)
    heard = [(place, each["type"]) for place in name.values() for each in stack.heard(place)]
    assert sorted(set(heard)) == wanted_events


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({}, None),
        ({"include_results": True}, False),
        ({"include_results": True, "include_objects": True}, "whole"),
        ({"include_results": True, "include_objects": True, "only_include_base": True}, "base"),
        ({"include_results": True, "only_include_base": True}, False),
        ({"include_objects": True, "only_include_base": True}, None),
    ],
)
def test_results_and_objects_are_included_as_asked(stack: CallStack, flags: dict[str, bool], told: object) -> None:
    """None: no results. False: results without objects. What is said of objects says nothing without results."""
    place, key = fresh("hook"), fresh("s")
    one = subscriber(key, correlation_id="x", attributes={"city": "Rome"})
    stack.send("create", one, send_response_to=answered(stack.hook(place), **flags))
    [body] = eventually(lambda: stack.heard(place), within=30)

    base = {"type": "subscriber", "customer_key": key, "correlation_id": "x"}
    results = body["data"].get("results")
    if told is None:
        assert results is None
    else:
        assert [each["correlation_id"] for each in results] == ["x"]
        assert results[0].get("object") == {"whole": one, "base": base, False: None}[told]  # type: ignore[index]


def test_a_response_by_http_post_is_posted_to_its_address_and_signed(stack: CallStack) -> None:
    """By Standard Webhooks, as their own library verifies it."""
    place = fresh("hook")
    sent = stack.send("create", subscriber(), send_response_to=answered(stack.hook(place)))
    eventually(lambda: stack.heard(place), within=30)
    [webhook] = [each for each in stack.receiver.received if each.target == f"/{place}"]
    [secret] = webhook_secrets.list_(stack.database, "default")

    verified = Webhook(secret.secret).verify(webhook.body, webhook.headers)
    assert verified["data"]["request_id"] == sent["request_id"]
    [noted] = eventually(lambda: found if (found := stack.answers(sent=sent))[0]["state"] == "sent" else None, within=30)
    assert noted["notification_id"] == webhook.webhook_id
