"""Calls that are refused: with a pointer to what is at fault, and nothing put down."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from mailq.store.database import Database
from tests.integration.web.calls.conftest import ANN, call, part, subscriber
from tests.integration.web.calls.test_calls import num_calls
from tests.integration.web.conftest import WORDS
from tests.support.api import Caller, problem, where

JSON = {"Content-Type": "application/json"}
MESSAGE = {"type": "message", **WORDS}


def hook(address: object, **more: Any) -> dict[str, Any]:
    """A call that wants an answer by a webhook."""
    return call(ANN, send_response_to=[{"response_type": "http_post", "response_address": address} | more])


ADDRESS = "#/options/send_response_to/0/response_address"


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ({"objects": [ANN]}, "#/method"),
        ({"method": "create"}, "#/objects"),
        (call(ANN, method="upsert"), "#/method"),
        (call(ANN) | {"method": 7}, "#/method"),
        (call(ANN) | {"unknown": 1}, "#/unknown"),
        (call(ANN) | {"key": "two\nlines"}, "#/key"),
        (call(ANN) | {"key": ""}, "#/key"),
        (call(), "#/objects"),
        (call(ANN) | {"objects": {}}, "#/objects"),
        (call(ANN) | {"objects": [ANN, 7]}, "#/objects/1"),
        (call(*[ANN] * 1001), "#/objects"),
        (call(ANN) | {"options": []}, "#/options"),
        (call({"address": "ann@x.example"}), "#/objects/0/type"),
        (call(ANN, {"type": "sms"}), "#/objects/1/type"),
        (call(ANN, {"type": ["subscriber"]}), "#/objects/1/type"),
        (call(ANN, method="perform"), "#/objects/0/type"),
        (call(MESSAGE, method="delete"), "#/objects/0/type"),
        (call(ANN | {"address": "nobody"}), "#/objects/0/address"),
        (call(ANN | {"address": 7}), "#/objects/0/address"),
        (call(ANN | {"a/b~c": 7}), "#/objects/0/a~1b~0c"),
        (call({"type": "subscriber", "address": "ann@x.example"}), "#/objects/0/customer_key"),
        (call(ANN | {"attributes": {"name": "a\0b"}}), "#/objects/0/attributes/name"),
        (call(ANN, MESSAGE | {"subject": "Hi\r\nBcc: eve@x.example"}), "#/objects/1/subject"),
        (call(MESSAGE | {"subject": "{{ name", "variables": {}}), "#/objects/0/subject"),
        (call(MESSAGE | {"headers": {"Bcc": "eve@x.example"}}), "#/objects/0/headers/Bcc"),
        (
            call(ANN | {"correlation_id": "x"}, subscriber(1), subscriber(2) | {"correlation_id": "x"}),
            "#/objects/2/correlation_id",
        ),
        (call(ANN | {"correlation_id": ""}), "#/objects/0/correlation_id"),
        (call(ANN, request_type="later"), "#/options/request_type"),
        (call(ANN, priority="urgent"), "#/options/priority"),
        (call(ANN, unknown=1), "#/options/unknown"),
        (call(ANN, scheduled_time="2020-01-01T00:00:00Z"), "#/options/scheduled_time"),
        (call(ANN, scheduled_time="2199-01-01T00:00:00"), "#/options/scheduled_time"),
        (call(ANN, scheduled_time="tomorrow"), "#/options/scheduled_time"),
        (call(ANN, scheduled_time=1), "#/options/scheduled_time"),
        (call(ANN, request_type="synchronous", scheduled_time="2199-01-01T00:00:00Z"), "#/options/scheduled_time"),
        (call(ANN, request_type="synchronous", conversation_id="c"), "#/options/conversation_id"),
        (call(ANN, conversation_id=""), "#/options/conversation_id"),
        (call(ANN, sequence_code=1, calls_in_conversation=1), "#/options/sequence_code"),
        (call(ANN, conversation_id="c", sequence_code=1), "#/options/calls_in_conversation"),
        (call(ANN, conversation_id="c", calls_in_conversation=1), "#/options/sequence_code"),
        (part(0, 3), "#/options/sequence_code"),
        (part(4, 3), "#/options/sequence_code"),
        (part(1, 0), "#/options/calls_in_conversation"),
        (part(1, 10_001), "#/options/calls_in_conversation"),
        (
            part(1, 10_001) | {"options": {"conversation_id": "c", "sequence_code": True, "calls_in_conversation": 2}},
            "#/options/sequence_code",
        ),
        (call(ANN, send_response_to={}), "#/options/send_response_to"),
        (call(ANN, send_response_to=[{}] * 6), "#/options/send_response_to"),
        (call(ANN, send_response_to=[{"response_type": "ftp"}]), "#/options/send_response_to/0/response_type"),
        (hook("https://hooks.example", respond_when="sometimes"), "#/options/send_response_to/0/respond_when"),
        (hook("https://hooks.example", include_results="yes"), "#/options/send_response_to/0/include_results"),
        (hook(None), ADDRESS),
        (hook("ftp://hooks.example"), ADDRESS),
        (hook("https://user:password@hooks.example"), ADDRESS),
        (hook("http://169.254.169.254/latest"), ADDRESS),
        (hook("http://[::1]/"), ADDRESS),
        (hook("http://127.1/"), ADDRESS),
        (hook("http://10.1.2.3:8080/"), ADDRESS),
        (call(ANN, send_response_to=[{"response_type": "email", "response_address": "nobody"}]), ADDRESS),
        (call(ANN, send_response_to=[{"response_type": "email", "response_address": "ann@x.example"}]), ADDRESS),
    ],
)
def test_what_is_wrong_with_a_call_is_named(caller: Caller, database: Database, said: dict[str, Any], at: str) -> None:
    """By a pointer into what was said."""
    refused = problem(caller.post("/v1/calls", json=said), 422)

    assert where(refused) == [at]
    assert num_calls(database) == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b'{"method": "create", "objects": [' + b"[" * 300 + b"]" * 300 + b"]}", 400),
        (b'"create"', 422),
        (json.dumps(call(ANN | {"attributes": {"n": 0}})).replace('"n": 0', '"n": NaN').encode(), 422),
        (json.dumps(call(ANN | {"attributes": {"n": 0}})).replace('"n": 0', '"n": 1e999').encode(), 422),
        (json.dumps(call(ANN | {"attributes": {"n": 0}})).replace('"n": 0', f'"n": {"9" * 400}').encode(), 422),
        (json.dumps(call(MESSAGE | {"text": "x" * 2_000_001})).encode(), 413),
    ],
    ids=["torn", "deep", "no object", "nan", "infinite", "huge number", "large"],
)
def test_a_body_that_is_none_is_refused(caller: Caller, database: Database, body: bytes, status: int) -> None:
    """Whatever it is, nothing is put down."""
    problem(caller.post("/v1/calls", content=body, headers=JSON), status)

    assert num_calls(database) == 0


def test_a_call_is_json(caller: Caller) -> None:
    """And says so."""
    problem(
        caller.post("/v1/calls", content=b"method=create", headers={"Content-Type": "application/x-www-form-urlencoded"}), 415
    )


@pytest.mark.parametrize("path", ["/v1/calls/7", "/v1/calls/msg_0000", "/v1/calls/req_%00/notifications"])
def test_an_id_is_one_of_ours(caller: Caller, path: str) -> None:
    """Or the parameter is named."""
    assert where(problem(caller.get(path), 422)) == ["request_id"]


def test_what_is_not_there_is_not_found(caller: Caller) -> None:
    """Never received, or deleted since."""
    for path in (
        "/v1/calls/req_0",
        "/v1/calls/req_0/notifications",
        "/v1/conversations/never",
        "/v1/subscribers/x",
        "/v1/recipient-lists/x",
    ):
        problem(caller.get(path), 404)
    problem(caller.delete("/v1/calls/req_0"), 404)


@pytest.fixture
def refusing(caller: Caller, database: Database, database_url: str) -> Iterator[None]:
    """The database takes nobody any more; the key is still believed."""
    caller.get("/v1/calls")
    name = make_url(database_url).database
    database.close()
    with psycopg.connect(database_url, dbname="postgres", autocommit=True) as elsewhere:
        elsewhere.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        elsewhere.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        yield
        elsewhere.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


@pytest.mark.usefixtures("refusing")
def test_a_database_that_is_away_is_a_problem_that_says_when_to_ask_again(caller: Caller) -> None:
    """With the same key, because nobody knows whether it was received."""
    asked = [
        caller.post("/v1/calls", json=call(ANN, key="a")),
        caller.post("/v1/calls", json=part(1, 2)),
        caller.post("/v1/calls", json=call(ANN, request_type="synchronous")),
        caller.get("/v1/calls"),
        caller.get("/v1/calls/req_0"),
        caller.delete("/v1/calls/req_0"),
        caller.get("/v1/conversations/c"),
        caller.get("/v1/call-results", params={"from": "2026-01-01T00:00:00Z"}),
        caller.get("/v1/maintenance"),
    ]

    for each in asked:
        assert "Idempotency-Key" in problem(each, 503)["detail"]
        assert each.headers["retry-after"] == "5"
        assert "127.0.0.1" not in each.text
