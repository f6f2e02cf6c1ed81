"""Bodies in seven bits, in the encoding that suits their script."""

import base64
import quopri

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailq.core.message import RenderFault
from mailq.core.message.encoding import Transfer, canonical, encode_body, transfer_for


@pytest.mark.parametrize(
    ("template", "transfer"),
    [
        ("", Transfer.QUOTED_PRINTABLE),
        ("Hello {{ name }}", Transfer.QUOTED_PRINTABLE),
        ("Viele Grüße aus Köln, und schöne Ostern wünscht die Gärtnerei am Fluss", Transfer.QUOTED_PRINTABLE),
        ("Здравствуйте, {{ name }}", Transfer.BASE64),
        ("こんにちは {{ name }} さん", Transfer.BASE64),
        ("<p style='color: red; margin: 0 auto; padding: 3em'>Распродажа</p>" + "<br>" * 50, Transfer.QUOTED_PRINTABLE),
    ],
)
def test_the_script_of_the_template_decides(template, transfer):
    assert transfer_for(template) is transfer


@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("x" * 74 + " \n")
@example("x" * 73 + "\t\r" + "y" * 74 + " ")
@example(("word " * 200 + "\n") * 3)
@example("." * 200)
def test_either_encoding_carries_any_text_in_short_lines(text):
    octets = canonical(text).encode()
    for transfer, decode in ((Transfer.QUOTED_PRINTABLE, quopri.decodestring), (Transfer.BASE64, base64.b64decode)):
        encoded = encode_body("text", text, transfer, limit=1_000_000)
        assert encoded.isascii()
        assert encoded.endswith(b"\r\n")
        assert max(map(len, encoded.split(b"\r\n"))) <= 76
        assert encoded.count(b"\n") == encoded.count(b"\r") == encoded.count(b"\r\n")
        assert decode(encoded) == octets


def test_no_blank_is_left_at_the_end_of_a_line_where_relays_lose_it():
    encoded = encode_body("text", "a \nb\t\n" + "x" * 74 + " \n", Transfer.QUOTED_PRINTABLE, limit=1000)
    assert b" \r\n" not in encoded
    assert b"\t\r\n" not in encoded


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "\r\n"),
        ("a", "a\r\n"),
        ("a\n", "a\r\n"),
        ("a\rb\nc\r\nd", "a\r\nb\r\nc\r\nd\r\n"),
        ("\r\r\n\n", "\r\n\r\n\r\n"),
        (".\n", ".\r\n"),
    ],
)
def test_line_ends_are_made_one_kind(text, wanted):
    assert canonical(text) == wanted


def test_the_limit_counts_the_octets_of_the_text_with_its_line_ends():
    assert encode_body("text", "ü\n", Transfer.BASE64, limit=4)
    with pytest.raises(RenderFault, match="larger than 3 bytes"):
        encode_body("text", "ü\n", Transfer.BASE64, limit=3)
