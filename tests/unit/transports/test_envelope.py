"""Letters as bytes for the wire."""

import smtplib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailq.core.outcome import Rejected
from mailq.engine.ports import Letter
from mailq.transports.smtp.envelope import Preparation, Prepared, stuffed, xtext
from mailq.transports.smtp.extensions import Extensions
from tests.support.feeds import letter

ALL = Extensions(pipelining=True, size=True, eight_bit=True, smtputf8=True, dsn=True)
lines = st.lists(st.sampled_from([b"", b".", b"..", b".x", b"x.", b"hello"]), max_size=12)


def prepared(offered: Letter, extensions: Extensions = ALL, *, dsn: bool = False) -> Prepared | Rejected:
    return Preparation(extensions, dsn=dsn).prepared(offered)


def commands(offered: Letter, extensions: Extensions = ALL, *, dsn: bool = True) -> list[bytes]:
    found = prepared(offered, extensions, dsn=dsn)
    assert isinstance(found, Prepared)
    return found.commands.splitlines()


@given(lines)
def test_stuffing_is_what_smtplib_does_and_can_be_undone(content_lines: list[bytes]):
    content = b"".join(line + b"\r\n" for line in content_lines)
    ours = stuffed(content)

    theirs = smtplib._quote_periods(content)
    assert ours == (theirs if theirs.endswith(b"\r\n") else theirs + b"\r\n")
    assert b"\r\n.\r\n" not in b"\r\n" + ours
    assert b"\r\n".join(line.removeprefix(b".") for line in ours.split(b"\r\n")).removesuffix(b"\r\n") == content.removesuffix(
        b"\r\n"
    )


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"x"]), max_size=12))
def test_what_is_not_refused_has_no_bare_line_end_and_the_rest_is(pieces: list[bytes]):
    content = b"".join(pieces)
    bare = content.replace(b"\r\n", b"")
    assert (stuffed(content) is None) == (b"\r" in bare or b"\n" in bare)


@pytest.mark.parametrize(
    "address", ["", "a@b\r\nRSET", "a@b>", "<a@b", "a b@c", "a@b\0", "a@b\x7f", "a@b\u2028", "x" * 250 + "@b.cd"]
)
def test_an_address_that_could_speak_smtp_is_refused(address: str):
    assert isinstance(prepared(letter(recipient=address)), Rejected)
    if address:
        assert isinstance(prepared(letter(sender=address)), Rejected)


def test_the_null_sender_is_a_sender():
    assert commands(letter(sender=""), Extensions())[0] == b"MAIL FROM:<>"


@pytest.mark.parametrize("content", [b"a\nb\r\n", b"a\rb\r\n", b"a\r\n\r", b"\n", b"a\n\r\n.\r\n", b"a\r\r\n"])
def test_a_bare_line_end_is_never_sent(content: bytes):
    assert isinstance(prepared(letter(content=content)), Rejected)


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_address_makes_more_than_its_own_commands(sender: str, recipient: str):
    found = prepared(letter(sender=sender, recipient=recipient, envelope_id="1"), dsn=True)
    if isinstance(found, Prepared):
        assert found.commands.count(b"\r\n") == len(found.commands.splitlines()) == 3
        assert found.commands.count(b">") == 2


def test_notices_of_failure_are_asked_for_where_they_are_offered():
    offered = letter(recipient="a+b=c@example.com", envelope_id="7.12+3")
    assert commands(offered)[:2] == [
        b"MAIL FROM:<news@example.org> SIZE=25 RET=HDRS ENVID=7.12+2B3",
        b"RCPT TO:<a+b=c@example.com> NOTIFY=FAILURE ORCPT=rfc822;a+2Bb+3Dc@example.com",
    ]


@pytest.mark.parametrize(
    ("extensions", "dsn"), [(Extensions(), True), (Extensions(dsn=True), False)], ids=["not offered", "not wanted"]
)
def test_notices_are_not_asked_for_where_they_are_not_offered_or_not_wanted(extensions: Extensions, dsn: bool):
    assert commands(letter(envelope_id="7"), extensions, dsn=dsn)[:2] == [
        b"MAIL FROM:<news@example.org>",
        b"RCPT TO:<r1@example.com>",
    ]


@pytest.mark.parametrize("envelope_id", [None, "", "x" * 101, "+" * 34])
def test_an_envelope_id_that_cannot_be_said_is_left_out(envelope_id: str | None):
    assert commands(letter(envelope_id=envelope_id))[0] == b"MAIL FROM:<news@example.org> SIZE=25 RET=HDRS"


def test_a_recipient_that_is_no_ascii_is_not_repeated_for_the_notice():
    assert commands(letter(recipient="jürgen@example.com"))[1] == "RCPT TO:<jürgen@example.com> NOTIFY=FAILURE".encode()


@given(st.text(st.characters(max_codepoint=127)))
def test_xtext_can_be_read_back_and_has_none_of_the_characters_it_may_not_have(text: str):
    said = xtext(text)
    assert all("!" <= character <= "~" and character != "=" for character in said)
    head, *rest = said.split("+")
    assert head + "".join(chr(int(piece[:2], 16)) + piece[2:] for piece in rest) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"host", Extensions()),
        (
            b"host\nPIPELINING\nSIZE 1000\n8BITMIME\nSMTPUTF8\nSTARTTLS\nAUTH PLAIN login\nDSN",
            Extensions(True, True, 1000, True, True, True, frozenset({"PLAIN", "LOGIN"}), True),
        ),
        (b"host\nsize 0\npipelining", Extensions(pipelining=True, size=True)),
        (b"host\nSIZE\nAUTH=LOGIN", Extensions(size=True, auth=frozenset({"LOGIN"}))),
        ("host\nSIZE ٣\n\n \nSIZE 5\n\xff".encode(), Extensions(size=True)),
        (b"PIPELINING\nDSN", Extensions(dsn=True)),
    ],
)
def test_what_a_relay_announces_is_read(text: bytes, expected: Extensions):
    assert Extensions.from_ehlo(text) == expected
