"""Header lines as RFC 5322 and RFC 2047 want them."""

import re
from email.header import decode_header, make_header

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailq.core.address import Address
from mailq.core.message import RenderFault
from mailq.core.message.headers import Mailbox, mailbox_field, parse_mailbox, text_field
from mailq.core.message.words import encoded_words

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(TEXT, st.integers(0, 90))
@example("a" * 200, 0)
def test_encoded_words_are_short_whole_and_seven_bits(text, column):
    """RFC 2047 section 2: 75 characters a word, 76 a line; section 5: a character is never split between two."""
    folded = encoded_words(text, column=column)
    first, *rest = folded.split("\r\n")
    assert not first or column + len(first) <= 76
    assert all(len(line) <= 76 and line.startswith(" =?") for line in rest)
    words = [word for word in re.split(r"\r\n | ", folded) if word]
    assert all(len(word) <= 75 for word in words)
    alone = [str(make_header(decode_header(word))) for word in words]
    assert "".join(alone) == text


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("Plain sale", "Subject: Plain sale\r\n"),
        ("Grüße an Anna", "Subject: =?utf-8?b?R3LDvMOfZQ==?= an Anna\r\n"),
        ("Sale für alle Leute", "Subject: Sale =?utf-8?q?f=C3=BCr?= alle Leute\r\n"),
        ("  blanks around  ", "Subject: blanks around\r\n"),
        ("two  blanks", "Subject: two  blanks\r\n"),
        ("", "Subject: \r\n"),
        ("=?x?", "Subject: =?utf-8?b?PT94Pw==?=\r\n"),
        ("Распродажа", "Subject: =?utf-8?b?0KDQsNGB0L/RgNC+0LTQsNC20LA=?=\r\n"),
    ],
)
def test_a_value_is_encoded_only_where_it_must_be(value, line):
    assert text_field("subject", "Subject", value) == line


@given(st.lists(st.text("abcdefghij", min_size=1, max_size=60), min_size=1, max_size=30).map(" ".join))
def test_plain_text_is_folded_at_its_blanks_and_unfolds_to_itself(value):
    field = text_field("subject", "Subject", value)
    assert all(len(line) <= 78 for line in field.split("\r\n"))
    assert field.replace("\r\n", "") == f"Subject: {value}"
    assert "=?" not in field


@pytest.mark.parametrize(
    ("value", "name", "address"),
    [
        ("a@b.example", "", "a@b.example"),
        (" <a@B.example> ", "", "a@b.example"),
        ("Anna <a@b.example>", "Anna", "a@b.example"),
        ("Müller, Shop & Co. <a@b.example>", "Müller, Shop & Co.", "a@b.example"),
        ('"Shop <best>" <a@b.example>', "Shop <best>", "a@b.example"),
        (r'"a \"b\" \\ c"<a@b.example>', r'a "b" \ c', "a@b.example"),
        ('The "Shop" <a@b.example>', 'The "Shop"', "a@b.example"),
    ],
)
def test_a_mailbox_is_read_as_people_write_it(value, name, address):
    assert parse_mailbox("sender", value) == Mailbox(Address(address), name)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Anna",
        "<>",
        "Anna <>",
        "a@b.example <",
        "<a@b.example> x",
        "a@b.example, c@d.example",
        "A <a@b.example> <c@d.example>",
    ],
)
def test_what_is_no_mailbox_is_refused_in_the_name_of_its_part(value):
    with pytest.raises(RenderFault) as failed:
        parse_mailbox("reply_to", value)
    assert failed.value.part == "reply_to"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Anna Schmidt", "Anna Schmidt"),
        ("Schmidt, Anna", '"Schmidt, Anna"'),
        ('The "Shop" \\', r'"The \"Shop\" \\"'),
        ("Dr. No", '"Dr. No"'),
        ("Anna Ähre", "=?utf-8?q?Anna_=C3=84hre?="),
    ],
)
def test_a_display_name_is_quoted_or_encoded_where_it_must_be(name, written):
    assert mailbox_field("to_name", "To", Mailbox(Address("a@b.example"), name)) == f"To: {written} <a@b.example>\r\n"


def test_an_address_that_does_not_fit_behind_its_name_takes_the_next_line():
    field = mailbox_field("to_name", "To", Mailbox(Address("a" * 40 + "@b.example"), "n" * 40))
    assert field == f"To: {'n' * 40}\r\n <{'a' * 40}@b.example>\r\n"
