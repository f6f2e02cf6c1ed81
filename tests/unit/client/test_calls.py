"""Calls as plain JSON, and back."""

from datetime import UTC, datetime
from typing import Any

import pytest

from mailq import Call, Response
from mailq.client.calls import call_of, document, is_named, named
from mailq.client.http import requests
from mailq.errors import BadInput

ANN = {
    "type": "subscriber",
    "customer_key": "ann",
    "address": "ann@x.example",
    "attributes": {"name": "Ännchen 🎉", "tags": [1, None]},
}
WHOLE = Call(
    "update",
    [ANN],
    request_type="asynchronous",
    scheduled_time=datetime(2030, 1, 1, tzinfo=UTC),
    priority="low",
    conversation_id="c",
    sequence_code=2,
    calls_in_conversation=3,
    send_response_to=(Response("email", "ann@x.example", "on_error", include_results=True), Response("none")),
    key="mine",
)


@pytest.mark.parametrize("call", [WHOLE, Call("create", [ANN]), Call("delete", [ANN], key="mine")])
def test_what_was_said_is_read_back(call: Call) -> None:
    assert call_of(document(call)) == call


def test_the_body_is_what_the_api_takes() -> None:
    """Its names, and nothing that was not said."""
    assert document(Call("create", [ANN])) == {
        "method": "create",
        "objects": [ANN],
        "options": {"request_type": "asynchronous", "priority": "normal"},
    }


def test_nothing_of_it_is_the_producers_own_any_more() -> None:
    given: dict[str, Any] = {"type": "subscriber", "attributes": {"name": "Ann"}}
    said = document(Call("create", [given]))
    given["attributes"]["name"] = "Eve"

    assert said["objects"][0]["attributes"] == {"name": "Ann"}


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        ({"objects": [{"when": datetime(2030, 1, 1, tzinfo=UTC)}]}, "/objects"),
        ({"objects": [{"name": "half \ud800"}]}, "/objects"),
        ({"send_response_to": Response("none")}, "/options/send_response_to"),
        ({"conversation_id": object()}, "/options/conversation_id"),
    ],
)
def test_what_no_json_can_hold_is_refused_with_its_place(fault: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput) as told:
        document(Call(**{"method": "create", "objects": [ANN]} | fault))
    assert told.value.field == field


def test_a_key_is_made_up_where_nothing_else_tells_a_call_from_others() -> None:
    """A part of a conversation is known by its place, however often it is sent."""
    assert [is_named(each) for each in (Call("create", [ANN]), Call("create", [ANN], key="mine"), WHOLE)] == [False, True, True]
    assert named(Call("create", [ANN]), "made up").key == "made up"
    assert named(Call("create", [ANN], conversation_id="c"), "made up").key is None


def test_each_request_of_a_call_without_a_key_has_one_of_its_own() -> None:
    one, other = (requests.call(Call("create", [ANN])) for _ in range(2))
    part = requests.call(Call("create", [ANN], conversation_id="c"))

    assert one.key
    assert one.key != other.key
    assert part.key is None
    assert b'"key"' not in (part.body or b"")


def test_an_id_with_a_slash_is_one_step_of_a_path() -> None:
    assert requests.conversation("import 7/ü").path == "/conversations/import%207%2F%C3%BC"
