"""A base64 body spliced from segments decodes to the very octets that the body rendered whole decodes to."""

import base64
from email import message_from_bytes, policy

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailq.core.message import Limits, RenderFault
from mailq.core.message.bodies import SplicedBody, body
from mailq.core.message.encoding import Transfer, base64_lines
from mailq.core.message.templates import compile_template, surroundings
from mailq.core.message.triplets import LONG, fill, frame, octets
from mailq.core.message.values import Values

LIMITS = Limits()
ENDS = [
    "",
    "\n",
    "\r\n",
    "\n\n",
    "a\n",
    "\nb",
    "a\rb",
    "\r",
    "x\r",
    "\u2028",
    "\x85",
    " ",
    "\t",
    ".",
    "\0",
    "<&>",
    "💌",
    "\ud83d",
]
VALUE = st.one_of(st.text(max_size=70), st.sampled_from(ENDS), st.sampled_from(["ж" * 40, "x" * 57, "x" * 58, "漢" * 400]))
TEXT = st.one_of(
    st.text("ж漢xé\n\r. &", max_size=12),
    st.builds(lambda text, end: text + end, st.sampled_from(["ж" * LONG, "漢x" * 200, "x" * LONG]), st.text("xж\n", max_size=3)),
)
SOURCE = st.lists(
    st.tuples(TEXT, st.sampled_from(["{{ a }}", "{{ b }}", "{% if c %}{{ a }}{% endif %}"])).map("".join), max_size=6
)
HEAD = b'Content-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: base64\r\n\r\n'


def spliced_body(source: str, *, html: bool = False, limits: Limits = LIMITS) -> SplicedBody:
    made = body(compile_template("html" if html else "text", source, limits), Transfer.BASE64, limits.body_bytes)
    assert isinstance(made, SplicedBody)
    return made


def values(**variables: object) -> Values:
    return Values("", variables, surroundings(Limits(), lambda: 0.0))


def said(part, given: Values) -> object:
    """The octets that a body decodes to, or what a fault says."""
    try:
        made = part.fill(given)
    except RenderFault as fault:
        return fault.part, fault.reason, fault.line, fault.variable
    parsed = message_from_bytes(HEAD + made, policy=policy.default)
    assert not parsed.defects
    decoded = parsed.get_payload(decode=True)
    assert decoded == base64.b64decode(made)
    lines = made.split(b"\r\n")
    assert lines.pop() == b""
    assert all(0 < len(line) <= 76 for line in lines)
    assert made == part.fill(given)
    return decoded


@given(start=SOURCE, end=TEXT, a=VALUE, b=VALUE, c=st.booleans(), html=st.booleans())
@example(start=["{{ a }}"], end="", a="", b="", c=False, html=False)
@example(start=["{{ a }}"], end="", a="x\n", b="", c=False, html=False)
@example(start=["{{ a }}{{ b }}"], end="x", a="x\r", b="\ny", c=False, html=False)
@example(start=["{{ a }}\n"], end="x", a="x\r", b="", c=False, html=False)
@example(start=["x" * LONG + "{{ a }}"], end="y" * LONG, a="", b="", c=False, html=True)
@example(start=["x" * (LONG + 1) + "{{ a }}"], end="", a="1", b="", c=False, html=True)
def test_spliced_or_whole_a_base64_body_decodes_to_the_same_octets(start, end, a, b, c, html):
    part = spliced_body("".join([*start, end]), html=html)
    given = values(a=a, b=b, c=c)
    assert said(part, given) == said(part.whole, given)


@given(st.lists(st.binary(max_size=9), min_size=1, max_size=7), st.lists(st.binary(max_size=9), min_size=6, max_size=6))
@example([b"abcd"], [b""] * 6)
@example([b"abcd", b"efgh", b"ijkl", b"mnop"], [b"", b"1", b"12", b"", b"", b""])
def test_long_and_short_texts_and_values_meet_at_any_place_in_a_group_of_three(texts, given):
    order = range(len(texts) - 1)
    wanted = texts[0] + b"".join(given[place] + texts[place + 1] for place in order)
    for long in (2, 4, 100):
        made = fill(frame(texts, order, long=long), given)
        assert base64.b64decode(made) == wanted
        assert made.endswith(b"\r\n") or not wanted


@given(st.binary(max_size=300))
@example(b"x" * 57 * 512)
@example(b"x" * (57 * 1024 + 1))
def test_base64_is_cut_into_full_lines(text):
    assert base64_lines(text) == base64.encodebytes(text).replace(b"\n", b"\r\n")


@pytest.mark.parametrize("value", ["a\r", "\r", "half \ud83d"])
def test_a_value_that_only_the_whole_can_judge_is_not_spliced(value):
    assert octets(["fine", value], escaped=False) is None


@pytest.mark.parametrize("size", [0, 1, 1_000_000])
def test_a_value_may_be_empty_or_huge(size):
    limits = Limits(body_bytes=3_000_000)
    part = spliced_body("Здравствуйте, {{ a }}!", limits=limits)
    made = part._splice(values(a="x" * size))
    assert made is not None
    assert base64.b64decode(made).decode() == f"Здравствуйте, {'x' * size}!\r\n"


def test_a_body_in_base64_is_bounded_like_one_rendered_whole():
    part = spliced_body("ж{{ a }}", limits=Limits(body_bytes=100))
    assert said(part, values(a="x" * 96)) == b"\xd0\xb6" + b"x" * 96 + b"\r\n"
    with pytest.raises(RenderFault, match="larger than 100 bytes"):
        part.fill(values(a="x" * 97))


def test_what_computes_is_rendered_whole():
    for transfer in Transfer:
        assert not isinstance(body(compile_template("text", "{{ a | upper }}", Limits()), transfer, 1000), SplicedBody)
