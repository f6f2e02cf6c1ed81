"""Letters as bytes for the wire."""

import smtplib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailq.core.outcome import Rejected
from mailq.transports.smtp.envelope import mail_command, rcpt_command, refusal, stuffed
from mailq.transports.smtp.extensions import Extensions
from tests.support.feeds import letter

ALL = Extensions(pipelining=True, size=True, eight_bit=True, smtputf8=True)
lines = st.lists(st.sampled_from([b"", b".", b"..", b".x", b"x.", b"hello"]), max_size=12)


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


@pytest.mark.parametrize(
    "address", ["", "a@b\r\nRSET", "a@b>", "<a@b", "a b@c", "a@b\0", "a@b\x7f", "a@b\u2028", "x" * 250 + "@b.cd"]
)
def test_an_address_that_could_speak_smtp_is_refused(address: str):
    assert isinstance(refusal(letter(recipient=address), ALL), Rejected)
    if address:
        assert isinstance(refusal(letter(sender=address), ALL), Rejected)


def test_the_null_sender_is_a_sender():
    assert refusal(letter(sender=""), ALL) is None
    assert mail_command(letter(sender=""), Extensions()) == b"MAIL FROM:<>\r\n"


@pytest.mark.parametrize("content", [b"a\nb\r\n", b"a\rb\r\n", b"a\r\n\r", b"\n", b"a\n\r\n.\r\n", b"a\r\r\n"])
def test_a_bare_line_end_is_never_sent(content: bytes):
    assert isinstance(refusal(letter(content=content), ALL), Rejected)


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_address_makes_more_than_one_command(sender: str, recipient: str):
    offered = letter(sender=sender, recipient=recipient)
    if refusal(offered, ALL) is None:
        assert mail_command(offered, ALL).count(b"\r\n") == rcpt_command(offered).count(b"\r\n") == 1
        assert mail_command(offered, ALL).count(b">") == rcpt_command(offered).count(b">") == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"host", Extensions()),
        (
            b"host\nPIPELINING\nSIZE 1000\n8BITMIME\nSMTPUTF8\nSTARTTLS\nAUTH PLAIN login",
            Extensions(True, True, 1000, True, True, True, frozenset({"PLAIN", "LOGIN"})),
        ),
        (b"host\nsize 0\npipelining", Extensions(pipelining=True, size=True)),
        (b"host\nSIZE\nAUTH=LOGIN", Extensions(size=True, auth=frozenset({"LOGIN"}))),
        ("host\nSIZE ٣\n\n \nSIZE 5\n\xff".encode(), Extensions(size=True)),
        (b"PIPELINING\nDSN", Extensions()),
    ],
)
def test_what_a_relay_announces_is_read(text: bytes, expected: Extensions):
    assert Extensions.from_ehlo(text) == expected
