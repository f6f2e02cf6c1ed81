"""A body spliced from segments decodes to the very text that is encoded whole, in lines that every relay lets through."""

import quopri
import re
from email import message_from_bytes, policy
from html import unescape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailq.core.message import Limits, RenderFault
from mailq.core.message.bodies import SplicedBody, WholeBody, body
from mailq.core.message.encoding import Transfer
from mailq.core.message.segments import encoded
from mailq.core.message.templates import compile_template, surroundings
from mailq.core.message.values import Values

LIMITS = Limits()
CHARACTERS = st.characters(exclude_categories=["Cs"])
LINE_ENDS = ["\n", "\r", "\r\n", "\n\n", ".\n", "=\n", "\u2028", "\x85", "\x0c"]
MARKS = ["", " ", "\t", "  ", ".", "=", "=20", "%", "%s", "%b", "\0", "From ", "<b>", "💌"]
LONG = ["x" * 74, "x" * 75, "ü" * 13, "word " * 30, "y" * 71, "z" * 72, "z" * 73, "&" * 9]
ODD = st.sampled_from(LINE_ENDS + MARKS + LONG)
VALUE = st.one_of(st.text(CHARACTERS, max_size=90), ODD, st.tuples(ODD, ODD).map("".join))
LITERAL = st.one_of(st.text(CHARACTERS, max_size=90), ODD, st.lists(ODD, max_size=5).map("".join)).map(
    lambda text: text.translate({ord(mark): "-" for mark in "{}#"})
)
NAMES = ("a", "b", "c")
PRINTED = st.sampled_from([f"{{{{ {name} }}}}" for name in NAMES] + ["{% if c %} {{ a }}\n{% endif %}"])
SOURCE = st.lists(st.tuples(LITERAL, PRINTED).map("".join), max_size=8).flatmap(
    lambda start: LITERAL.map("".join([*start, ""]).__add__)
)


def newlines(text: str) -> str:
    return re.sub(r"\r\n?|\n", "\r\n", text)


def bodies(source: str, *, html: bool = False, limits: Limits = LIMITS) -> tuple[SplicedBody, WholeBody]:
    template = compile_template("html" if html else "text", source, limits)
    spliced = body(template, Transfer.QUOTED_PRINTABLE, limits.body_bytes)
    assert isinstance(spliced, SplicedBody)
    return spliced, spliced.whole


def values(variables: dict) -> Values:
    return Values("", variables, surroundings(LIMITS, lambda: 0.0))


def filled(part: SplicedBody | WholeBody, variables: dict) -> bytes:
    return part.fill(values(variables))


def spliced(source: str, **variables: object) -> bytes:
    """The body, which must not have been rendered whole."""
    made = bodies(source)[0]._splice(values(variables))
    assert made is not None
    return made


@given(source=SOURCE, a=VALUE, b=VALUE, c=VALUE, html=st.booleans())
@example(source="Dear {{ a }}\nend", a="", b="", c="", html=False)
@example(source="\n{{ a }}", a="", b="", c="", html=False)
@example(source="{{ a }}{{ b }}{{ a }}\n" * 9, a="x" * 70, b="y" * 16, c="", html=False)
@example(source="{{ a }}\n{{ b }}", a="a\r", b="b\n", c="", html=False)
@example(source="a\n{{ b }}{{ a }}", a="", b="b\n", c="", html=False)
@example(source="x" * 75 + "{{ a }} {{ b }}\n", a="", b="", c="", html=True)
@example(source="0{{ a }}.", a="\n", b="", c="", html=False)
@example(source="{{ a }}{{ b }}.", a="", b="", c="", html=False)
@example(source="." * 200 + "\n..{{ a }}...\n" + "." * 75, a="", b="", c="", html=False)
@example(source="\t", a="", b="", c="", html=False)
@example(source="a\t{{ a }}\nb", a="", b="", c="", html=False)
@example(source="x " * 36 + " {{ a }}\n", a="", b="", c="", html=False)
def test_spliced_or_whole_a_body_decodes_to_the_same_text(source, a, b, c, html):
    ours, whole = bodies(source, html=html)
    variables = {"a": a, "b": b, "c": c}
    made, wanted = filled(ours, variables), filled(whole, variables)

    assert quopri.decodestring(made) == quopri.decodestring(wanted)
    head = b'Content-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
    parsed = message_from_bytes(head + made, policy=policy.default)
    assert parsed.get_payload(decode=True) == quopri.decodestring(wanted)
    assert not parsed.defects

    lines = made.split(b"\r\n")
    assert lines.pop() == b""
    assert made.isascii()
    assert made.count(b"\r") == made.count(b"\n") == len(lines)
    assert max(map(len, lines)) <= 76
    assert not any(line.endswith((b" ", b"\t")) or line.startswith(b".") for line in lines)


@given(st.lists(VALUE, max_size=5), st.booleans())
def test_encoded_values_decode_to_themselves_wherever_they_are_put(values, html):
    pieces = encoded(values, escaped=html)
    if pieces is None:
        assert any(value.endswith("\r") for value in values)
        return
    decoded = [quopri.decodestring(piece).decode() for piece in pieces.octets]
    assert (
        [unescape(text) for text in decoded] == [newlines(each) for each in values]
        if html
        else decoded == [newlines(each) for each in values]
    )
    for piece in pieces.octets:
        short = len(piece) <= pieces.width and b"\n" not in piece
        assert short or (piece.startswith(b"=\r\n") and piece.endswith(b"=\r\n"))
        assert not piece.endswith((b" ", b"\t"))
        assert not piece.startswith(b".")
        assert b"\r\n." not in piece


@pytest.mark.parametrize("value", ["a\r", "\r", "half \ud83d"])
def test_a_value_that_only_the_whole_can_judge_is_not_spliced(value):
    assert encoded(["fine", value], escaped=False) is None
    assert encoded([value], escaped=True) is None


@pytest.mark.parametrize(("longest", "width"), [(0, 16), (16, 16), (17, 40), (72, 72), (73, 16), (5000, 16)])
def test_the_frame_is_as_narrow_as_its_short_values_let_it_be(longest, width):
    """A long value stands between soft breaks of its own, wherever it is put."""
    pieces = encoded(["x", "y" * longest], escaped=False)
    assert pieces is not None
    assert pieces.width == width


def test_an_ordinary_letter_is_spliced_and_hardly_longer():
    source = (
        "Dear {{ a }},\n\nspring is here, and everything in {{ b }} costs half of what it did. " * 3 + "Yours, {{ c }}\n"
    ) * 3
    made = spliced(source, a="Änne", b="Köln", c="The Shop & Co.")
    whole = filled(bodies(source)[1], {"a": "Änne", "b": "Köln", "c": "The Shop & Co."})
    assert len(whole) <= len(made) < len(whole) * 1.05


@pytest.mark.parametrize(
    ("source", "variables", "wanted"),
    [
        ("Dear {{ a }},\n", {"a": "Änne"}, b"Dear =C3=84nne,\r\n"),
        ("Dear {{ a }}\n", {"a": "x "}, b"Dear x=20\r\n"),
        ("Dear {{ a }}\n", {"a": ""}, b"Dear=\r\n=20\r\n"),
        ("{% if a %}Hi {{ b }}!\n{% endif %}Bye", {"a": 1, "b": 2}, b"Hi 2!\r\nBye\r\n"),
        ("{% if a %}Hi {{ b }}!\n{% endif %}Bye", {"a": 0, "b": 2}, b"Bye\r\n"),
        ("a\rb\r\n{{ a }}.", {"a": "c"}, b"a\r\nb\r\nc=2E\r\n"),
        ("Dear {{ a }}...\n.", {"a": "b"}, b"Dear b=2E..\r\n=2E\r\n"),
        ("{{ a }}\n..{{ a }}", {"a": ".b"}, b"=2Eb\r\n=2E.=2Eb\r\n"),
        ("Note: {{ a }}!", {"a": "b \nc "}, b"Note: =\r\nb=20\r\nc =\r\n!\r\n"),
        ("Note: {{ a }}", {"a": "b"}, b"Note: b\r\n"),
        ("100 %\0{{ a }}", {"a": "%s"}, b"100 %=00%s\r\n"),
    ],
)
def test_a_spliced_body_looks_as_it_should(source, variables, wanted):
    assert spliced(source, **variables) == wanted


def test_html_values_are_escaped_and_html_itself_is_not():
    ours, _ = bodies("<b>{{ a }}</b>", html=True)
    assert filled(ours, {"a": "<'&\">"}) == b"<b>&lt;&#39;&amp;&#34;&gt;</b>\r\n"


@pytest.mark.parametrize(
    ("variables", "variable"),
    [
        ({}, "a"),
        ({"a": None}, None),
        ({"a": ["x"]}, None),
        ({"a": "\ud83d"}, None),
        ({"a": "x" * 300}, None),
        ({"a": "ü" * 99}, None),
    ],
)
def test_a_fault_is_the_same_spliced_or_whole(variables, variable):
    faults = []
    for part in bodies("Hi\n{{ a }}!", limits=Limits(body_bytes=150)):
        with pytest.raises(RenderFault) as failed:
            filled(part, variables)
        faults.append((failed.value.part, failed.value.reason, failed.value.line, failed.value.variable))
    assert faults[0] == faults[1]
    assert faults[0][3] == variable


def test_the_limit_of_a_body_counts_the_text_and_not_its_encoding():
    ours, _ = bodies("{{ a }}.\n", limits=Limits(body_bytes=33))
    assert quopri.decodestring(filled(ours, {"a": "ü" * 15})).decode() == "ü" * 15 + ".\r\n"
