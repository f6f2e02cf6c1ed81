"""Answers are made when calls and conversations end: to whom, about what, and what they tell."""

import json
from collections.abc import Iterator, Mapping
from email import message_from_string, policy
from email.message import EmailMessage
from typing import Any

import pytest
from sqlalchemy import text

from mailq.core.call import RespondWhen, ResponseType
from mailq.engine.calls import answering, cancelling
from mailq.engine.calls.answering import Answering
from mailq.engine.calls.order import Response
from mailq.store import notifications
from tests.support.calling import Calling, order, part, refused, say

SENDER = "Shop, calls <calls@example.org>"
URL = "https://hooks.example/answers"
MAILBOX = "ops@example.org"


@pytest.fixture
def answered(calling: Calling) -> Calling:
    """Calls that are answered."""
    calling.answers = Answering(SENDER)  # type: ignore[assignment]
    return calling


def posted(when: RespondWhen = RespondWhen.ALWAYS, to: str = URL, **flags: bool) -> Response:
    return Response(ResponseType.HTTP_POST, to, when, **flags)


def mailed(when: RespondWhen = RespondWhen.ALWAYS, **flags: bool) -> Response:
    return Response(ResponseType.EMAIL, MAILBOX, when, **flags)


def rows(calling: Calling) -> list[Any]:
    return list(calling.rows("SELECT * FROM notification ORDER BY id"))


def events(calling: Calling) -> list[str]:
    return [row.event for row in rows(calling)]


def payloads(calling: Calling) -> list[Mapping[str, Any]]:
    return [json.loads(row.payload) for row in rows(calling)]


ENDS = {
    RespondWhen.NEVER: ([], [], [], []),
    RespondWhen.ON_ERROR: ([], ["call.error"], ["call.error", "call.not_run"], []),
    RespondWhen.ALWAYS: (["call.finished"], ["call.error"], ["call.error", "call.not_run"], ["call.cancelled"]),
    RespondWhen.ON_CALL_COMPLETE: (["call.finished"], ["call.error"], ["call.error"], []),
    RespondWhen.ON_CONVERSATION_ERROR: ([], ["conversation.error"], ["conversation.error"], []),
    RespondWhen.ON_CONVERSATION_COMPLETE: (["conversation.finished"], [], [], []),
}


@pytest.mark.parametrize("when", RespondWhen)
def test_respond_when_says_what_is_answered(answered: Calling, when: RespondWhen) -> None:
    """A call outside of any conversation is a conversation of one part; one whose conversation failed before it is told so."""
    finished, in_error, failed_conversation, cancelled = ENDS[when]

    answered.receive(order("fine", responses=(posted(when),)))
    answered.run_all()
    assert events(answered) == finished

    answered.change("DELETE FROM notification")
    answered.receive(order(refused(), responses=(posted(when),)))
    answered.run_all()
    assert events(answered) == in_error

    answered.change("DELETE FROM notification")
    answered.receive(part(1, 2, refused(), responses=(posted(when),)), part(2, 2, responses=(posted(when),)))
    answered.run_all()
    assert sorted(events(answered)) == sorted(failed_conversation)

    answered.change("DELETE FROM notification")
    [received] = answered.receive(order("never", responses=(posted(when),)))
    with answered.database.begin() as tx:
        cancelling.cancel(tx, 1, received.request_id, respond=answered.answers)  # type: ignore[union-attr]
    assert events(answered) == cancelled


def test_a_conversation_that_finishes_is_told_once_to_each_address(answered: Calling) -> None:
    """Two parts that want the same are answered once; another address gets its own."""
    same = posted(RespondWhen.ON_CONVERSATION_COMPLETE)
    other = posted(RespondWhen.ON_CONVERSATION_COMPLETE, to=f"{URL}/other")
    answered.receive(*(part(code, 3, responses=(same, other) if code == 2 else (same,)) for code in (3, 1, 2)))
    answered.run_all()

    assert [(row.event, row.address, row.call_id) for row in rows(answered)] == [
        ("conversation.finished", URL, None),
        ("conversation.finished", f"{URL}/other", None),
    ]
    assert payloads(answered)[0]["data"] == {
        "request_id": None,
        "conversation_id": "c",
        "sequence_code": None,
        "state": "finished",
        "error": None,
        "calls_in_conversation": 3,
        "num_run": 3,
        "results_at": "/v1/conversations/c/results",
    }


def test_a_part_that_is_late_has_its_conversation_answered(answered: Calling) -> None:
    """No part of it ever runs, and no call is at hand when it ends."""
    answered.receive(
        part(1, 2, responses=(posted(RespondWhen.ON_CONVERSATION_ERROR), posted(RespondWhen.ON_ERROR, to=f"{URL}/call")))
    )
    answered.change("UPDATE conversation SET last_part_at = last_part_at - interval '6 minutes'")
    answered.runner().sweep()

    assert sorted(events(answered)) == ["call.not_run", "conversation.error"]
    assert all("5 minutes" in payload["data"]["error"] for payload in payloads(answered))


def test_an_answer_is_made_with_the_end_of_its_call_or_not_at_all(answered: Calling) -> None:
    answered.receive(order(say("fine", act="fail"), responses=(posted(), mailed())))

    def fail(_: object) -> None:
        raise KeyboardInterrupt

    answered.acts["fail"] = fail
    with pytest.raises(KeyboardInterrupt):
        answered.run_all()
    assert (rows(answered), answered.rows("SELECT FROM inbox")) == ([], [])

    answered.acts.clear()
    answered.run_all()
    assert [row.state for row in rows(answered)] == ["pending", "sent"]


def test_a_webhook_is_due_at_once_and_tells_the_call(answered: Calling) -> None:
    [received] = answered.receive(part(1, 1, say("a", correlation_id="x"), responses=(posted(),)))
    answered.run_all()

    [row] = rows(answered)
    assert (row.state, row.host, row.attempts, row.settled_at) == ("pending", "hooks.example", 0, None)
    assert row.public_id.startswith("ntf_")
    [payload] = payloads(answered)
    assert payload["type"] == "call.finished"
    assert payload["data"]["request_id"] == received.request_id  # type: ignore[union-attr]
    assert (payload["data"]["conversation_id"], payload["data"]["sequence_code"]) == ("c", 1)
    assert "results" not in payload["data"]


def test_include_results_brings_them_with_their_correlation_ids(answered: Calling) -> None:
    answered.receive(
        order(say("a", correlation_id="x"), refused("b", correlation_id="y"), responses=(posted(include_results=True),))
    )
    answered.run_all()

    data = payloads(answered)[0]["data"]
    assert [(each["correlation_id"], each["status"]) for each in data["results"]] == [("x", "ok"), ("y", "error")]
    assert data["results_truncated"] is False
    assert "object" not in data["results"][0]


def test_include_objects_brings_them_as_they_were_received(answered: Calling) -> None:
    answered.receive(order(say("a", more=[1]), responses=(posted(include_results=True, include_objects=True),)))
    answered.run_all()

    assert payloads(answered)[0]["data"]["results"][0]["object"] == {"type": "word", "word": "a", "more": [1]}


def test_only_include_base_leaves_of_the_objects_what_they_go_by(answered: Calling) -> None:
    wanting = posted(include_results=True, include_objects=True, only_include_base=True)
    answered.receive(order(say("a", customer_key="k"), responses=(wanting,)))
    answered.run_all()

    assert payloads(answered)[0]["data"]["results"][0]["object"] == {"type": "word", "customer_key": "k"}


def test_include_objects_without_results_is_ignored(answered: Calling) -> None:
    answered.receive(order("a", responses=(posted(include_objects=True),)))
    answered.run_all()

    assert "results" not in payloads(answered)[0]["data"]


def test_a_conversation_brings_the_results_of_its_parts_in_sequence(answered: Calling, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "_PAGE", 2)
    wanting = posted(RespondWhen.ON_CONVERSATION_COMPLETE, include_results=True, include_objects=True)
    answered.receive(part(2, 3, "c", "d"), part(1, 3, "a", "b", responses=(wanting,)), part(3, 3, "e"))
    answered.run_all()

    [payload] = payloads(answered)
    results = payload["data"]["results"]
    assert [(each["sequence_code"], each["ordinal"]) for each in results] == [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1)]
    assert [each["object"]["word"] for each in results] == ["a", "b", "c", "d", "e"]
    assert len({each["request_id"] for each in results}) == 3


def test_many_results_are_cut(answered: Calling) -> None:
    answered.receive(order(*(say("w" * 50) for _ in range(300)), responses=(posted(include_results=True),)))
    answered.run_all()

    [row] = rows(answered)
    assert len(row.payload.encode()) <= 20_000
    assert json.loads(row.payload)["data"]["results_truncated"] is True


def test_an_address_that_is_named_twice_is_told_once(answered: Calling) -> None:
    answered.receive(order("a", responses=(posted(), posted(RespondWhen.ON_CALL_COMPLETE, include_results=True))))
    answered.run_all()

    assert events(answered) == ["call.finished"]


def test_a_conversation_is_told_to_so_many_addresses_and_no_more(answered: Calling, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parts may name thousands, each with all the results."""
    monkeypatch.setattr(answering, "MOST_OF_A_CONVERSATION", 2)
    answered.receive(
        *(part(code, 3, responses=(posted(RespondWhen.ON_CONVERSATION_COMPLETE, to=f"{URL}/{code}"),)) for code in (1, 2, 3))
    )
    answered.run_all()

    assert [row.state for row in rows(answered)] == ["pending", "pending", "error"]
    assert "more than 2 addresses" in rows(answered)[2].reply


def mail_of(calling: Calling) -> EmailMessage:
    [row] = calling.rows("SELECT variables FROM inbox")
    read = message_from_string(row.variables["mime"], policy=policy.default)
    assert isinstance(read, EmailMessage)
    return read


def attached(mail: EmailMessage) -> Iterator[Any]:
    for each in mail.iter_attachments():
        assert (each.get_content_type(), each.get_filename()) == ("application/json", "results.json")
        yield json.loads(each.get_payload(decode=True))  # type: ignore[arg-type]


def test_an_email_is_a_message_of_our_own_with_the_results_attached(answered: Calling) -> None:
    wanting = mailed(include_results=True)
    [received] = answered.receive(part(1, 1, say("a", correlation_id="x"), refused("b"), responses=(wanting,)))
    answered.run_all()

    [row] = rows(answered)
    [message] = answered.rows("SELECT * FROM inbox")
    assert (row.state, row.payload, row.message_id, row.due_at) == ("sent", None, message.public_id, None)
    assert (message.address, message.lane, message.key) == (MAILBOX, "transactional", row.public_id)
    mail = mail_of(answered)
    assert mail["From"].addresses[0].addr_spec == "calls@example.org"
    assert mail["From"].addresses[0].display_name == "Shop, calls"
    assert (mail["To"], mail["Auto-Submitted"]) == (MAILBOX, "auto-generated")
    request_id = received.request_id  # type: ignore[union-attr]
    assert mail["Subject"] == f"Call {request_id} is in error"
    body = mail.get_body().get_content()  # type: ignore[union-attr]
    assert f"request_id: {request_id}" in body
    assert "`b` is not said here" in body
    [document] = attached(mail)
    assert document["type"] == "call.error"
    assert [each["correlation_id"] for each in document["data"]["results"]] == ["x", None]


def test_an_email_without_results_says_where_they_are(answered: Calling) -> None:
    [received] = answered.receive(order("a", responses=(mailed(),)))
    answered.run_all()

    mail = mail_of(answered)
    assert list(attached(mail)) == []
    assert f"GET /v1/calls/{received.request_id}" in mail.get_content()  # type: ignore[union-attr]


def test_an_email_has_all_the_results_of_a_call(answered: Calling) -> None:
    words = [say("w" * 500, place=place) for place in range(1000)]
    answered.receive(order(*words, responses=(mailed(include_results=True, include_objects=True),)))
    answered.run_all()

    [document] = attached(mail_of(answered))
    assert document["data"]["results_truncated"] is False
    assert [each["object"]["place"] for each in document["data"]["results"]] == list(range(1000))


def test_an_email_about_a_conversation_of_any_name_can_be_made(answered: Calling) -> None:
    name = "Bestellung № 17 — größer, als man denkt: " + "ä" * 150
    answered.receive(part(1, 1, "a", of=name, responses=(mailed(RespondWhen.ON_CONVERSATION_COMPLETE),)))
    answered.run_all()

    assert mail_of(answered)["Subject"] == f"Conversation {name} has finished"


def test_an_email_from_nobody_is_in_error_and_says_so(calling: Calling) -> None:
    """The setting was there when the call was accepted."""
    calling.answers = Answering(None)  # type: ignore[assignment]
    calling.receive(order("a", responses=(mailed(), posted())))
    calling.run_all()

    assert [(row.state, row.host) for row in rows(calling)] == [("error", "example.org"), ("pending", "hooks.example")]
    assert "MAILQ_CALLS__RESPONSE_SENDER" in rows(calling)[0].reply
    assert calling.states() == ["finished"]


def test_an_answer_wakes_whoever_sends_it(answered: Calling) -> None:
    answered.receive(order("a", responses=(posted(),)))
    raw = answered.database.engine.raw_connection()
    try:
        raw.cursor().execute("LISTEN mailq")
        raw.commit()
        answered.run_all()
        raw.cursor().execute("SELECT 1")
        raw.commit()
        assert "notifications" in [each.payload for each in raw.driver_connection.notifies]  # type: ignore[union-attr]
    finally:
        raw.invalidate()


def test_answers_are_found_by_their_call_and_by_their_conversation(answered: Calling) -> None:
    [first] = answered.receive(part(1, 1, responses=(posted(), posted(RespondWhen.ON_CONVERSATION_COMPLETE))))
    answered.run_all()
    with answered.database.begin() as tx:
        of_call = notifications.of_call(tx, 1, first.request_id)  # type: ignore[union-attr]
        of_conversation = notifications.of_conversation(tx, 1, "c")
        tx.execute(text("INSERT INTO organization (public_id, name) VALUES ('org_2', 'other')"))
        others = notifications.of_call(tx, 2, first.request_id), notifications.of_conversation(tx, 2, "c")  # type: ignore[union-attr]

    assert [(each.event, each.state, each.attempts) for each in of_call] == [("call.finished", "pending", 0)]
    assert [each.event for each in of_conversation] == ["conversation.finished"]
    assert others == ([], [])


def test_answers_about_conversations_are_deleted_when_they_are_old(answered: Calling) -> None:
    """The conversation is kept for ever, so they do not go with it."""
    from datetime import timedelta

    answered.receive(part(1, 1, responses=(posted(RespondWhen.ON_CONVERSATION_COMPLETE),)))
    answered.run_all()
    answered.change("UPDATE notification SET state = 'sent', due_at = NULL, settled_at = now() - interval '3 days'")
    with answered.database.begin() as tx:
        assert notifications.prune(tx, timedelta(days=4)) == 0
        assert notifications.prune(tx, timedelta(days=2)) == 1
