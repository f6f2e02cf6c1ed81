"""Single messages over HTTP."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select

from mailq.store.database import Database
from mailq.store.tables import inbox
from tests.integration.web.conftest import WORDS, with_key
from tests.support.api import Caller, problem, where

MIME = "From: Shop <shop@x.example>\r\nTo: Ann <ann@x.example>\r\nSubject: Hi\r\n\r\nHello.\r\n"


def num_accepted(database: Database) -> int:
    """Messages in the inbox."""
    with database.begin() as tx:
        return int(tx.execute(select(func.count()).select_from(inbox)).scalar_one())


@pytest.mark.parametrize(
    "said",
    [
        WORDS,
        WORDS | {"subject": "Hi {{ name }}", "variables": {"name": "Ann", "nested": {"list": [1, None, True]}}},
        {"to": "ann@x.example", "sender": "shop@x.example", "mime": MIME},
    ],
    ids=["literal", "templated", "ready made"],
)
def test_a_message_is_accepted_and_found(caller: Caller, said: dict[str, Any]) -> None:
    """Literal words, templates, or a mail that is ready."""
    answer = caller.post("/v1/messages", json=said)

    assert answer.status_code == 202, answer.text
    assert answer.json()["created"] is True
    found = caller.get(answer.headers["location"]).json()
    assert (found["id"], found["state"], found["address"]) == (answer.json()["id"], "accepted", "ann@x.example")


def test_the_same_message_under_the_same_key_is_one(caller: Caller, database: Database) -> None:
    """Other words under that key are a conflict."""
    first = caller.post("/v1/messages", json=WORDS, headers=with_key("order-4711"))
    again = caller.post("/v1/messages", json=WORDS | {"key": "order-4711"})

    assert (first.json()["created"], again.json()["created"]) == (True, False)
    assert first.json()["id"] == again.json()["id"]
    problem(caller.post("/v1/messages", json=WORDS | {"text": "Other"}, headers=with_key("order-4711")), 409)
    assert num_accepted(database) == 1


def test_many_at_once_are_each_accepted_once(caller: Caller, database: Database) -> None:
    """Gathered into few transactions; those of one key are one message."""
    with ThreadPoolExecutor(16) as crowd:
        answers = list(
            crowd.map(lambda n: caller.post("/v1/messages", json=WORDS, headers=with_key(f"order-{n % 20}")), range(60))
        )

    assert {each.status_code for each in answers} == {202}
    assert len({each.json()["id"] for each in answers}) == 20
    assert sum(each.json()["created"] for each in answers) == 20
    assert num_accepted(database) == 20


def test_a_conflict_takes_nothing_from_those_that_came_with_it(caller: Caller) -> None:
    """They share a transaction, and no fate."""
    caller.post("/v1/messages", json=WORDS, headers=with_key("taken"))
    said = [(WORDS | {"text": "Other"}, "taken"), (WORDS, "free"), (WORDS, "taken")] * 4
    with ThreadPoolExecutor(12) as crowd:
        answers = list(crowd.map(lambda each: caller.post("/v1/messages", json=each[0], headers=with_key(each[1])), said))

    assert [each.status_code for each in answers] == [409, 202, 202] * 4


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"to": "nobody"}, "#/to"),
        ({"to": "ann@x.example\r\nBcc: eve@x.example"}, "#/to"),
        ({"subject": "Hi\r\nBcc: eve@x.example"}, "#/subject"),
        ({"subject": "Hi\nBcc: eve@x.example"}, "#/subject"),
        ({"sender": "Shop <shop@x.example>\r\nBcc: eve@x.example"}, "#/sender"),
        ({"reply_to": "a@x.example\r\nBcc: eve@x.example"}, "#/reply_to"),
        ({"to_name": "Ann\r\nBcc: eve@x.example"}, "#/to_name"),
        ({"headers": {"X-Shop": "a\r\nBcc: eve@x.example"}}, "#/headers/X-Shop"),
        ({"headers": {"X-Shop: a\r\nBcc": "eve@x.example"}}, "#/headers/X-Shop: a\r\nBcc"),
        ({"headers": {"Bcc": "eve@x.example"}}, "#/headers/Bcc"),
        ({"headers": {"a/b~c": 7}}, "#/headers/a~1b~0c"),
        ({"subject": "{{ name", "variables": {}}, "#/subject"),
        ({"subject": "{{ name }}", "variables": {}}, "#/subject"),
        ({"subject": "{{ n }}", "variables": {"n": "Hi\r\nBcc: eve@x.example"}}, "#/subject"),
        ({"subject": None}, "#/subject"),
        ({"lane": "fast"}, "#/lane"),
        ({"doubt_policy": "hope"}, "#/doubt_policy"),
        ({"text": 7}, "#/text"),
        ({"headers": []}, "#/headers"),
        ({"headers": {"X-Shop": 7}}, "#/headers/X-Shop"),
        ({"unknown": 1}, "#/unknown"),
        ({"key": "two\nlines"}, "#/key"),
        ({"mime": MIME}, "#/subject"),
        ({"text": "a\0b"}, "#/text"),
        ({"variables": {"a": [{"b": "x\0"}]}}, "#/variables/a/0/b"),
    ],
)
def test_what_is_wrong_with_a_message_is_named(caller: Caller, database: Database, more: dict[str, Any], field: str) -> None:
    """By a pointer into what was said; nothing is stored, and no header can be smuggled in."""
    refused = problem(caller.post("/v1/messages", json=WORDS | more), 422)

    assert field in where(refused)
    assert num_accepted(database) == 0


def test_a_mail_that_is_ready_smuggles_no_recipient(caller: Caller) -> None:
    """Its Bcc is left out, and so is what would break its headers."""
    said = {"to": "ann@x.example", "sender": "shop@x.example\r\nRCPT TO:<eve@x.example>", "mime": MIME}

    assert where(problem(caller.post("/v1/messages", json=said), 422)) == ["#/sender"]


@pytest.mark.parametrize("key", ["", '""', "x" * 201, "kühl", '"  "'])
def test_an_idempotency_key_is_one_or_refused(caller: Caller, key: str) -> None:
    """Printable ASCII, at most 200 characters."""
    refused = caller.post("/v1/messages", json=WORDS, headers={"Idempotency-Key": key.encode()})

    assert where(problem(refused, 422)) == ["Idempotency-Key"]


def test_a_message_of_another_organization_is_not_there(caller: Caller, stranger: Caller) -> None:
    """Nor is one that never was; the answers do not differ."""
    mine = caller.post("/v1/messages", json=WORDS).json()["id"]

    hers = problem(stranger.get(f"/v1/messages/{mine}"), 404)
    nobodys = problem(stranger.get(f"/v1/messages/{'msg_' + '0' * 16}"), 404)
    assert hers["detail"].replace(mine, "") == nobodys["detail"].replace("msg_" + "0" * 16, "")


def test_a_key_is_an_organizations_own(caller: Caller, stranger: Caller) -> None:
    """The same key elsewhere is another message."""
    answers = [each.post("/v1/messages", json=WORDS, headers=with_key("order-1")).json() for each in (caller, stranger)]

    assert [each["created"] for each in answers] == [True, True]
