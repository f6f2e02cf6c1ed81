"""A message is checked whole before it is accepted, and whoever gave it is told which part is at fault."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from mailq.core.mailing import DoubtPolicy, Lane
from mailq.core.message import Content
from mailq.engine import message_orders
from mailq.engine.messages import order, ready_made
from mailq.errors import BadInput

WORDS = {"to": "ann@x.example", "subject": "Your code", "sender": "Shop <shop@x.example>", "text": "It is {{ 42 }}."}
DEEP = []
for _ in range(20_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"to": "nobody"}, "to"),
        ({"to": "a@x.example\r\nRCPT TO:<b@x.example>"}, "to"),
        ({"to": None}, "to"),
        ({"to": ["a@x.example"]}, "to"),
        ({"subject": "x\r\nBcc: eve@x.example"}, "subject"),
        ({"subject": None}, "subject"),
        ({"subject": 7}, "subject"),
        ({"subject": "x" * 10_001}, "subject"),
        ({"sender": "nobody"}, "sender"),
        ({"sender": "A <a@x.example>, B <b@x.example>"}, "sender"),
        ({"text": "x" * 1_000_001}, "text"),
        ({"text": "\0"}, "text"),
        ({"html": "\ud800"}, "html"),
        ({"text": None}, "text"),
        ({"reply_to": "nobody"}, "reply_to"),
        ({"to_name": "x\ny"}, "to_name"),
        ({"headers": {"X-Note": "a\nb"}}, "header X-Note"),
        ({"headers": {"Bcc": "eve@x.example"}}, "header Bcc"),
        ({"headers": {"no name": "x"}}, "header no name"),
        ({"headers": {"X-Note": 7}}, "header X-Note"),
        ({"headers": {7: "x"}}, "headers"),
        ({"headers": {"A": "1", "a": "2"}}, "headers"),
        ({"headers": {f"X-{number}": "1" for number in range(101)}}, "headers"),
        ({"headers": ["X"]}, "headers"),
        ({"variables": {}, "text": "{{ name }}"}, "text"),
        ({"variables": {}, "text": "{% if %}"}, "text"),
        ({"variables": {"name": "a\nb"}, "subject": "{{ name }}"}, "subject"),
        ({"variables": {"when": datetime(2026, 1, 1, tzinfo=UTC)}}, "variables"),
        ({"variables": {"price": Decimal(1)}}, "variables"),
        ({"variables": {"number": float("nan")}}, "variables"),
        ({"variables": {"name": "\0"}}, "variables"),
        ({"variables": {"name": "\udc00"}}, "variables"),
        ({"variables": {"deep": DEEP}}, "variables"),
        ({"variables": {"name": "x" * 1_000_001}}, "variables"),
        ({"variables": ["name"]}, "variables"),
        ({"key": ""}, "key"),
        ({"key": "a\nb"}, "key"),
        ({"key": "x" * 201}, "key"),
        ({"key": 7}, "key"),
        ({"lane": "fast"}, "lane"),
        ({"doubt_policy": "forget"}, "doubt_policy"),
    ],
)
def test_what_is_wrong_is_refused_by_the_name_of_its_field(changed, field):
    with pytest.raises(BadInput) as caught:
        order(**(WORDS | changed))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"to": "nobody"}, "to"),
        ({"sender": "nobody"}, "sender"),
        ({"sender": None}, "sender"),
        ({"email": b"Subject: x\r\n\r\n"}, "header From"),
        ({"key": "\t"}, "key"),
        ({"lane": None}, "lane"),
    ],
)
def test_what_is_wrong_with_a_ready_made_mail_is_refused_by_name(changed, field):
    given = {"email": b"From: a@x.example\r\n\r\nHi", "to": "ann@x.example", "sender": "a@x.example"}
    with pytest.raises(BadInput) as caught:
        ready_made(**(given | changed))
    assert caught.value.field == field


def test_an_order_has_its_address_in_its_one_form_and_enums_for_its_options():
    made = order(**(WORDS | {"to": " Ann@X.Example ", "lane": "bulk", "doubt_policy": "resend", "key": "k"}))
    assert (made.address, made.lane, made.doubt_policy, made.key) == ("Ann@x.example", Lane.BULK, DoubtPolicy.RESEND, "k")


def test_without_variables_words_are_literal_and_with_none_at_all_they_are_templates():
    assert order(**WORDS).variables["text"] == "It is {{ 42 }}."
    templated = order(**WORDS, variables={})
    assert (templated.content.text, templated.variables) == ("It is {{ 42 }}.", {})


def test_variables_are_rendered_as_they_will_come_back_from_the_database():
    assert order(**WORDS, variables={1: (1, 2)}).variables == {"1": [1, 2]}


def test_equal_words_have_equal_digests_and_only_they():
    plain = order(**WORDS)
    assert plain.digest() == order(**WORDS, key="of no account", to_name="").digest()
    others = [
        {"to": "b@x.example"},
        {"text": "x"},
        {"lane": "bulk"},
        {"doubt_policy": "resend"},
        {"variables": {}},
        {"to_name": "A"},
    ]
    assert len({plain.digest(), *(order(**(WORDS | other)).digest() for other in others)}) == 7


def test_messages_share_a_stream_if_they_share_parts_and_options_whatever_they_say():
    plain = order(**WORDS).stream()
    assert (
        order(**(WORDS | {"to": "b@x.example", "text": "else", "subject": "else", "sender": "else@x.example"})).stream() == plain
    )
    others = [{"html": "x"}, {"lane": "bulk"}, {"doubt_policy": "resend"}, {"variables": {}}, {"headers": {"X": "1"}}]
    assert len({plain, *(order(**(WORDS | other)).stream() for other in others)}) == 6


def test_a_content_is_compiled_once_however_many_messages_it_has(monkeypatch):
    compiled = []

    def compile_content(content, **rest):
        compiled.append(content)
        return message_orders_compile(content, **rest)

    message_orders_compile = message_orders.compile_content
    monkeypatch.setattr(message_orders, "compile_content", compile_content)
    message_orders._renderer.cache_clear()
    for name in ("Ann", "Bob"):
        order(**(WORDS | {"text": "Dear {{ name }}"}), variables={"name": name})
    assert [each.text for each in compiled] == ["Dear {{ name }}"]
    assert isinstance(compiled[0], Content)
