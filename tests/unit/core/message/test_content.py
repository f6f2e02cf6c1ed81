"""A content survives the database unchanged, and is refused with the part's name."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailq.core.message import Content, TemplateFault

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
CONTENT = st.builds(
    Content,
    subject=TEXT,
    sender=TEXT,
    text=TEXT,
    html=st.none() | TEXT,
    reply_to=st.none() | TEXT,
    to_name=st.none() | TEXT,
    headers=st.dictionaries(TEXT, TEXT, max_size=3),
)


@given(CONTENT)
def test_a_content_comes_back_from_json_as_it_was(content):
    back = Content.from_mapping(json.loads(json.dumps(content.as_mapping())))
    assert back == content
    assert back.digest() == content.digest()


@given(CONTENT, CONTENT)
def test_only_equal_contents_have_equal_digests(one, other):
    assert (one == other) == (one.digest() == other.digest())


def test_the_order_in_which_headers_are_given_is_no_difference():
    """jsonb forgets it, so a mailing submitted again with its key must not be another because of it."""
    one = Content("s", "a@b.example", "t", headers={"X-A": "1", "X-B": "2"})
    other = Content("s", "a@b.example", "t", headers={"X-B": "2", "X-A": "1"})
    assert one.digest() == other.digest()
    assert list(one.headers) == list(other.headers)


def test_headers_cannot_be_changed_afterwards():
    given_headers = {"X-A": "1"}
    content = Content("s", "a@b.example", "t", headers=given_headers)
    given_headers["Bcc"] = "eve@example.com"
    assert dict(content.headers) == {"X-A": "1"}
    with pytest.raises(TypeError):
        content.headers["Bcc"] = "x"


@pytest.mark.parametrize(
    ("mapping", "part", "reason"),
    [
        ({"subject": "s", "sender": "a@b.example"}, "content", "neither a text nor an html"),
        ({"subject": "s", "text": "t"}, "sender", "is missing"),
        ({"sender": "a@b.example", "text": "t"}, "subject", "is missing"),
        ({"subject": None, "sender": "a@b.example", "text": "t"}, "subject", "is missing"),
        ({"subject": "s", "sender": "a@b.example", "text": "t", "body": "x"}, "body", "no part of a content"),
        ({"subject": "s", "sender": "a@b.example", "text": 5}, "text", "must be text, not int"),
        ({"subject": "s", "sender": "a@b.example", "text": "t", "headers": ["x"]}, "headers", "names with their values"),
        ({"subject": "s", "sender": "a@b.example", "text": "t", "headers": {"X-A": 1}}, "header X-A", "must be text"),
        ({"subject": "s", "sender": "a@b.example", "text": "a\nb\0"}, "text", "U+0000"),
        ({"subject": "s", "sender": "a@b.example", "html": "\ud800"}, "html", "U+D800"),
    ],
)
def test_a_content_at_fault_names_the_part(mapping, part, reason):
    with pytest.raises(TemplateFault) as fault:
        Content.from_mapping(mapping)
    assert fault.value.part == part
    assert reason in fault.value.reason
