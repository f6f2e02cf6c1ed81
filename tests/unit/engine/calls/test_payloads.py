"""What answers tell, and how much of it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailq.core.call import Event, Method, RespondWhen, ResponseType, State
from mailq.core.call_result import CallResult, Status
from mailq.core.conversation import State as ConversationState
from mailq.engine.calls import payloads
from mailq.engine.calls.order import Response
from mailq.engine.calls.payloads import MOST_POSTED_BYTES, payload, told
from mailq.engine.calls.responses import EndedCall, EndedConversation

AT = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
OBJECT = {"type": "subscriber", "customer_key": "k7", "correlation_id": "x", "address": "ann@example.org", "attributes": {"a": 1}}
RESULT = CallResult(1, Status.OK, "subscriber", "made", customer_key="k7", correlation_id="x", details={"n": 1})
CALL = EndedCall(
    1, 7, "req_1", Method.CREATE, State.FINISHED, AT, 1, [], [OBJECT], [RESULT], conversation_id="order/17 ä", sequence_code=2
)


def wanting(**flags: bool) -> Response:
    return Response(ResponseType.HTTP_POST, "https://hooks.example/", RespondWhen.ALWAYS, **flags)


def made(results: Any, data: dict[str, Any] | None = None, *, most: int = MOST_POSTED_BYTES) -> dict[str, Any]:
    text = payload(Event.CALL_FINISHED, AT, data or payloads.of_call(CALL), results, most_bytes=most)
    read: dict[str, Any] = json.loads(text)
    return read


def test_an_answer_has_the_form_of_standard_webhooks_and_is_thin() -> None:
    assert made(None) == {
        "type": "call.finished",
        "timestamp": "2026-11-22T08:30:00Z",
        "data": {
            "request_id": "req_1",
            "conversation_id": "order/17 ä",
            "sequence_code": 2,
            "method": "create",
            "state": "finished",
            "error": None,
            "num_objects": 1,
            "results_at": "/v1/calls/req_1",
        },
    }


def test_an_answer_about_a_conversation_names_the_part_in_error() -> None:
    ended = EndedConversation(1, 3, "order/17 ä", ConversationState.ERROR, AT, 5, 2, sequence_code=2, error="object 1: no")

    assert payloads.of_conversation(ended) == {
        "request_id": None,
        "conversation_id": "order/17 ä",
        "sequence_code": 2,
        "state": "error",
        "error": "object 1: no",
        "calls_in_conversation": 5,
        "num_run": 2,
        "results_at": "/v1/conversations/order%2F17%20%C3%A4/results",
    }


@pytest.mark.parametrize(
    ("flags", "there"),
    [
        ({}, None),
        ({"include_objects": True}, OBJECT),
        (
            {"include_objects": True, "only_include_base": True},
            {"type": "subscriber", "customer_key": "k7", "correlation_id": "x"},
        ),
        ({"only_include_base": True}, None),
    ],
)
def test_a_result_has_its_object_as_far_as_it_is_wanted(flags: dict[str, bool], there: dict[str, Any] | None) -> None:
    entry = told(RESULT, OBJECT, wanting(**flags))

    assert entry.get("object") == there
    assert (entry["correlation_id"], entry["status"], entry["details"]) == ("x", "ok", {"n": 1})


def test_results_that_fit_are_all_there() -> None:
    data = made([told(RESULT, OBJECT, wanting())])["data"]

    assert data["results_truncated"] is False
    assert [each["message"] for each in data["results"]] == ["made"]


def test_results_beyond_the_room_are_cut_and_it_says_where_they_are() -> None:
    data = made([{"ordinal": number, "message": "x" * 100} for number in range(1000)])["data"]

    assert data["results_truncated"] is True
    assert 100 < len(data["results"]) < 200
    assert data["results_at"] == "/v1/calls/req_1"


def test_no_more_results_are_read_than_there_is_room_for() -> None:
    """A conversation may have millions."""
    read = []

    def endless() -> Any:
        while True:
            read.append("x" * 1000)
            yield read[-1]

    made(endless())

    assert len(read) <= MOST_POSTED_BYTES // 1000 + 1


def test_a_long_error_is_cut() -> None:
    ended = EndedCall(1, 7, "req_1", Method.CREATE, State.ERROR, AT, 0, [], error="ä" * 5000)

    assert len(payloads.of_call(ended)["error"]) == 1000


@given(st.lists(st.dictionaries(st.text(max_size=8), st.text(max_size=400), max_size=4), max_size=40), st.integers(500, 3000))
@settings(max_examples=200, deadline=None)
def test_whatever_the_results_are_the_answer_is_small_and_has_the_first_of_them(results: list[dict[str, str]], most: int) -> None:
    plain = [each for each in results if "\0" not in "".join([*each, *each.values()])]
    text = payload(Event.CALL_ERROR, AT, payloads.of_call(CALL), plain, most_bytes=most)
    data = json.loads(text)["data"]

    assert len(text.encode()) <= most
    assert data["results"] == plain[: len(data["results"])]
    assert data["results_truncated"] is (len(data["results"]) < len(plain))
