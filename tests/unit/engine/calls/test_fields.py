"""What is declared of objects is what they are checked against, and what their documents say."""

import json
from functools import reduce
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from mailq.core.call import Method
from mailq.engine.calls import fields, kinds
from mailq.engine.calls.fields import Choice, Field, Flag, Many, Moment, Record, Text, Variables, Words
from mailq.engine.calls.kinds import KINDS
from mailq.errors import BadInput
from mailq.web.api.given import MailingIn, MessageIn, SuppressionIn

EVERY = [(kind, method) for kind in KINDS.values() for method in kind.records]
KNOWN = sorted({name for kind, method in EVERY for name in kind.records[method].fields})


def fault(shape: Any, value: object) -> str | None:
    """The pointer to what is at fault; None if nothing is."""
    try:
        shape.require(value, "/x")
    except BadInput as error:
        return error.field or "nowhere"
    return None


def deep(levels: int) -> object:
    return reduce(lambda inner, _: [inner], range(levels), "x")


@pytest.mark.parametrize(
    ("shape", "value", "pointer"),
    [
        (Text(3), "abc", None),
        (Text(3), "", None),
        (Text(3), "abcd", "/x"),
        (Text(3, 1), "", "/x"),
        (Text(3), None, "/x"),
        (Text(3), b"abc", "/x"),
        (Text(9), "a\nb", None),
        (Text(9, on_one_line=True), "a\nb", "/x"),
        (Text(9, on_one_line=True), "a\u2028b", "/x"),
        (Text(9, 1, on_one_line=True), "  ", "/x"),
        (Text(9), "a\0", "/x"),
        (Text(9), "\ud800", "/x"),
        (Text(9), "\U0001f600é", None),
        (fields.Address(), "Ann@x.example", None),
        (fields.Address(), "ann@x.example\r\nRCPT TO:<eve@x.example>", "/x"),
        (fields.Address(), "ann", "/x"),
        (fields.Address(), "a" * 2000 + "@x.example", "/x"),
        (Flag(), True, None),
        (Flag(), 1, "/x"),
        (Flag(), None, "/x"),
        (Moment(), "2026-12-24T18:00:00+01:00", None),
        (Moment(), "2026-12-24T18:00:00Z", None),
        (Moment(), "2026-12-24T18:00:00", "/x"),
        (Moment(), "1999-12-31T23:59:59Z", "/x"),
        (Moment(), "2200-01-01T00:00:00Z", "/x"),
        (Moment(), "2199-12-31T23:59:59-23:59", "/x"),
        (Moment(), "0001-01-01T00:00:00+23:59", "/x"),
        (Moment(), "٢٠٢٦-12-24T18:00:00Z", "/x"),
        (Moment(), 1_800_000_000, "/x"),
        (Choice(("a", "b")), "a", None),
        (Choice(("a", "b")), "A", "/x"),
        (Choice(("a", "b")), ["a"], "/x"),
        (Choice(Method), "create", None),
        (Words(Text(3), 2), {"a/b": "abcd"}, "/x/a~1b"),
        (Words(Text(3), 2), {"a": "1", "b": "2", "c": "3"}, "/x"),
        (Words(Text(3), 2), {1: "1"}, "/x/int"),
        (Variables(), {"a": [1, 2.5, None, True, {"b": "x"}]}, None),
        (Variables(), {"a": deep(99)}, None),
        (Variables(), {"a": deep(100)}, "/x"),
        (Variables(), {"a": deep(50_000)}, "/x"),
        (Variables(), {"a": {1: 2}}, "/x/a/int"),
        (Variables(), {"a": [{"b": {"\0": 1}}]}, "/x/a/0/b/\\u0000"),
        (Variables(), {"a": (float("nan"),)}, "/x/a/0"),
        (Variables(), {"a": {3, 4}}, "/x/a"),
        (Variables(), {"a": -(10**301)}, "/x/a"),
        (Variables(), {"a": 10**9999}, "/x/a"),
        (Variables(), {"a": 1e299}, None),
        (Variables(), {"a": -1e305}, "/x/a"),
        (Variables(), {"a": "9" * 999}, None),
        (Variables(most=1), {"a": 1, "b": 2}, "/x"),
        (Variables(most_bytes=9), {"a": "é" * 3}, "/x"),
        (Variables(reserved=frozenset({"a/b"})), {"a/b": 1}, "/x/a~1b"),
        (Many(Flag(), 2), [True, False], None),
        (Many(Flag(), 2), [True, 1], "/x/1"),
        (Many(Flag(), 2), [], "/x"),
        (Many(Flag(), 2), [True] * 3, "/x"),
        (Many(Flag(), 2), {"0": True}, "/x"),
        (Record({"a": Field(Flag(), required=True)}), {}, "/x/a"),
        (Record({"a": Field(Flag(), required=True)}), {"a": None}, "/x/a"),
        (Record({"a": Field(Flag(), nullable=True)}), {"a": None}, None),
        (Record({"a": Field(Flag())}), {"b": True}, "/x/b"),
        (Record({"a": Field(Flag())}), {7: True}, "/x/int"),
        (Record({"a": Field(Flag())}), [], "/x"),
        (Record({"a": Field(Flag()), "b": Field(Flag())}, one_of=("a", "b")), {}, "/x/a"),
        (Record({"a": Field(Flag()), "b": Field(Flag())}, one_of=("a", "b")), {"a": True, "b": True}, "/x/b"),
        (Record({"a": Field(Flag()), "b": Field(Flag())}, some_of=("a",)), {"b": True}, "/x"),
    ],
)
def test_each_shape_names_what_is_at_fault(shape, value, pointer):
    """By a JSON pointer, and in words that can be sent."""
    assert fault(shape, value) == pointer


def test_what_is_at_fault_is_told_in_words_that_can_be_shown():
    """However long or odd it is."""
    for name in ("x" * 10_000, "\ud800", "a\nb\0", "\u202e"):
        with pytest.raises(BadInput) as refused:
            Record({}).require({name: 1}, "")
        said = str(refused.value) + str(refused.value.field)
        assert len(said) < 400
        assert said.isprintable()


def test_a_place_in_a_list_is_told_with_the_name_of_the_list():
    """`3: must be …` says nothing to people."""
    with pytest.raises(BadInput, match=r"^recipients/1: must be true or false"):
        Many(Flag(), 9).require([True, 7], "/recipients")


@pytest.mark.parametrize(("kind", "method"), EVERY, ids=[f"{method}-{kind.name}" for kind, method in EVERY])
def test_every_kind_and_method_is_documented(kind, method):
    """A valid JSON Schema, with a word for all that is not called by its name alone."""
    schema = kind.records[method].schema()

    Draft202012Validator.check_schema(schema)
    assert kind.help
    assert schema["description"]
    assert json.loads(json.dumps(schema)) == schema
    assert set(kind.deeds) == set(kind.records)
    assert schema["required"][0] == "type"


@pytest.mark.parametrize(
    ("model", "kind", "ours", "theirs"),
    [
        (MailingIn, "mailing", {"type", "customer_key", "correlation_id", "recipient_list"}, {"key"}),
        (MessageIn, "message", {"type", "customer_key", "correlation_id", "subscriber"}, {"key"}),
        (SuppressionIn, "suppression", {"type", "customer_key", "correlation_id"}, set()),
    ],
)
def test_fields_are_those_of_the_other_routes(model, kind, ours, theirs):
    """And take as much."""
    record = KINDS[kind].records[Method.CREATE].schema()["properties"]
    there = model.model_json_schema()["properties"]

    assert set(record) - ours == set(there) - theirs
    for name in set(record) & set(there):
        if name not in {"mime", "recipients", "variables", "headers", "note"}:
            assert limits(record[name]) == limits(there[name]), name


def limits(schema):
    plain = schema["anyOf"][0] if "anyOf" in schema else schema
    return {name: plain[name] for name in ("maxLength", "enum") if name in plain}


def refusal(method: Method, said: dict[str, Any]) -> BadInput | None:
    """What an object is refused with."""
    try:
        kinds.require(method, said, "/objects/0")
    except BadInput as error:
        return error
    return None


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**320), 10**320)
    | st.floats()
    | st.text(st.characters(exclude_categories=[]), max_size=20)
    | st.sampled_from(["create", "start", "ann@x.example", "2026-12-24T18:00:00Z", "shop@x.example", "{{ name }}", "{% if"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.sampled_from(KNOWN), inner, max_size=4),
    max_leaves=8,
)


@given(st.sampled_from(EVERY), st.dictionaries(st.sampled_from(KNOWN) | st.text(max_size=5), anything, max_size=8))
@example((KINDS["message"], Method.CREATE), {"to": "ann@x.example", "sender": "\ud800", "subject": "x", "text": "x"})
@example((KINDS["mailing"], Method.UPDATE), {"customer_key": "x", "headers": {"\ud800": "x"}})
@example(
    (KINDS["mailing"], Method.CREATE), {"customer_key": "x", "name": "x", "recipients": [{"address": "", "variables": None}]}
)
def test_whatever_is_said_is_accepted_or_refused_with_its_place(known, said):
    """What is accepted fits the schema, and PostgreSQL can hold it; nothing else comes of it."""
    kind, method = known
    whole = {**said, "type": kind.name}

    if (refused := refusal(method, whole)) is not None:
        assert f"{refused.field}/".startswith("/objects/0/")
        f"{refused} {refused.field}".encode()
        return
    assert "\\u0000" not in json.dumps(whole, allow_nan=False)
    json.dumps(whole, ensure_ascii=False).encode()
    Draft202012Validator(kind.records[method].schema()).validate(whole)
