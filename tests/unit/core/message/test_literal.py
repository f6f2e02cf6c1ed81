"""A literal message says exactly the words it was given, whatever they look like."""

import json
import time
from email import message_from_bytes, policy

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailq.core.message import TemplateFault, compile_content, literal, read_content

NASTY = [
    "{{ x }}",
    "{% raw %}",
    "{# c #}",
    ".",
    "..",
    "\n.\n",
    "From ",
    "=?utf-8?q?a?=",
    "&<>'\"",
    "\\",
    "%s",
    "💌",
    "שלום",
    " ",
    "\t",
    "x" * 1200,
]
TEXT = st.lists(
    st.one_of(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r")), st.sampled_from(NASTY)), max_size=6
).map("".join)
LINE = TEXT.map(lambda text: " ".join("".join(c for c in text if c.isprintable()).split()))
WORDS = {"subject": "Hi", "sender": "shop@x.example", "text": "Hello"}


def sent(**parts):
    """The message, made of what comes back out of the database, as its reader sees it."""
    content, variables = literal(**(WORDS | parts))
    stored = json.loads(json.dumps([content.as_mapping(), variables]))
    renderer = compile_content(read_content(stored[0]), clock=time.monotonic)
    made = renderer.render("ann@x.example", stored[1], message_id="<1@x.example>", date="Sat, 21 Nov 2026 09:30:00 +0000")
    assert renderer.sender("ann@x.example", stored[1]).address.text == "shop@x.example"
    assert made.count(b"\r\n") == made.count(b"\r") == made.count(b"\n")
    return message_from_bytes(made, policy=policy.default)


def body(part):
    return part.get_payload(decode=True).decode().replace("\r\n", "\n")


def ended(text):
    return text if text.endswith("\n") else text + "\n"


@given(text=TEXT, html=TEXT)
@example(text="{{ 7 * 7 }}\n.\n", html="<p>{{ text }} & {% if %}</p>")
@example(text="", html="")
def test_bodies_decode_to_the_words_given(text, html):
    plain, marked_up = sent(text=text, html=html).iter_parts()
    assert (body(plain), body(marked_up)) == (ended(text), ended(html))


@given(subject=LINE, header=LINE.filter(bool), name=LINE)
@example(subject="{{ subject }}", header="{{ header_1 }}", name="{{ sender }}")
def test_headers_decode_to_the_words_given(subject, header, name):
    message = sent(subject=subject, headers={"X-Note": header}, to_name=name)
    assert (message["Subject"], message["X-Note"]) == (subject, header)
    assert message["To"].addresses[0].addr_spec == "ann@x.example"


def test_messages_of_the_same_parts_have_the_same_content_whatever_they_say():
    first = literal(**WORDS, headers={"X-B": "1", "X-A": "2"}, reply_to="", to_name=None)
    other = literal(subject="Ho", sender="b@x.example", text="Bye", headers={"X-A": "1", "X-B": "2"}, to_name="")
    assert first.content == other.content
    assert literal(**WORDS, html="x").content != first.content != literal(**WORDS, headers={"X-C": "1", "X-A": "2"}).content


@pytest.mark.parametrize("injected", ["a\r\nBcc: eve@x.example", "a\nb", "a\rb"])
@pytest.mark.parametrize("part", ["subject", "sender", "reply_to", "to_name", "header X-Note"])
def test_no_header_takes_a_line_break(part, injected):
    given = {"headers": {"X-Note": injected}} if part.startswith("header") else {part: injected}
    with pytest.raises(Exception, match="line break") as caught:
        sent(**given)
    assert caught.value.field == part


@pytest.mark.parametrize(("part", "character"), [("text", "\0"), ("html", "\ud800"), ("subject", "\0"), ("header X", "\udc00")])
def test_characters_that_nothing_can_hold_are_refused_by_the_name_of_their_part(part, character):
    given = {"headers": {"X": character}} if part.startswith("header") else {part: f"a\n{character}"}
    with pytest.raises(TemplateFault, match="U\\+") as caught:
        literal(**(WORDS | given))
    assert caught.value.field == part


def test_a_message_without_a_body_is_refused():
    with pytest.raises(TemplateFault, match="neither a text nor an html body"):
        literal(subject="x", sender="a@x.example")
