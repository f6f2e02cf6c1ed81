"""What we splice parses back to what the standard library makes of the same content, for any text whatever."""

import json
import re
import time
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.headerregistry import Address as StdlibAddress
from email.message import EmailMessage
from functools import cache

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailq.core.message import Content, Limits, Renderer, RenderFault, TemplateFault, compile_content, date_header, message_id

DATE = date_header(datetime(2026, 11, 21, 9, 30, tzinfo=UTC))
MESSAGE_ID = message_id(5 << 40 | 7, 42, "secret", "shop.example")
SENDER = "News of the Shop <news@shop.example>"

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
LINE_ENDS = ["\n", "\r", "\r\n", ".", "..", "\r\n.\r\n", "From ", "\x0b", "\x0c", "\x1c", "\x85", "\u2028"]
LOOK_ENCODED = ["=", "=?utf-8?q?a?=", "=20", "--=_", "%", "{{", "&<>'\"", "\\", "\x00"]
SCRIPTS = ["💌", "👩‍👩‍👧", "שלום", "مرحبا", "\u202e", "\ufeff", "a\u0300"]
LONG = [" ", "\t", "x" * 1200, "ü" * 600, "word " * 300]
NASTY = st.sampled_from(LINE_ENDS + LOOK_ENCODED + SCRIPTS + LONG)
BODY = st.lists(st.one_of(ANY_TEXT, NASTY), max_size=6).map("".join)
VISIBLE = st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])
WORD = st.one_of(
    st.text(VISIBLE, min_size=1, max_size=12),
    st.sampled_from(
        [
            '"',
            ",",
            "(",
            ")",
            "\\",
            "@",
            "<b>",
            ";",
            ":",
            "O'Neil",
            "Ünal",
            "=?utf-8?q?a?=",
            "💌",
            "שלום",
            "y" * 90,
            "ß" * 90,
            "漢" * 70,
        ]
    ),
)
LINE = st.lists(WORD, max_size=12).map(" ".join)


def content(**parts) -> Content:
    return Content(**{"subject": "Sale", "sender": SENDER, "text": "Hello"} | parts)


@cache
def renderer(canonical: str) -> Renderer:
    return compile_content(Content.from_mapping(json.loads(canonical)), clock=time.monotonic)


def render(made: Content, /, address: str = "anna@example.com", **variables) -> bytes:
    once = renderer(json.dumps(made.as_mapping()))
    return once.render(address, variables, message_id=MESSAGE_ID, date=DATE)


def parsed(octets: bytes) -> EmailMessage:
    message = message_from_bytes(octets, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def stdlib(*, text: str | None = None, html: str | None = None, **headers: str) -> EmailMessage:
    """The same message by EmailMessage, through its own bytes and back."""
    message = EmailMessage(policy=policy.SMTP)
    for name, value in headers.items():
        message[name] = value
    if text is not None:
        message.set_content(text, cte="base64")
    if html is not None:
        message.add_alternative(html, subtype="html", cte="base64")
    return parsed(message.as_bytes())


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    assert not part.defects
    return part.get_content()


def newlines(text: str) -> str:
    return re.sub(r"\r\n?|\n", "\n", text)


def check_lines(octets: bytes, *, longest: int = 998) -> None:
    assert octets.endswith(b"\r\n")
    assert octets.count(b"\r") == octets.count(b"\n") == octets.count(b"\r\n")
    lines = octets.split(b"\r\n")
    assert max(map(len, lines)) <= longest
    assert not any(line.startswith(b".") for line in lines)


@given(text=BODY, html=BODY)
@example(text="", html="")
@example(text=".\n..\r\n.", html="\n.\n")
@example(text="last line without an end", html="x" * 5000)
def test_bodies_read_back_as_the_standard_library_writes_them(text, html):
    octets = render(content(text="{{ text }}", html="{{ html | safe }}"), text=text, html=html)
    check_lines(octets)
    ended = {"text": newlines(text) if newlines(text).endswith("\n") else newlines(text) + "\n"}
    ended["html"] = newlines(html) if newlines(html).endswith("\n") else newlines(html) + "\n"
    ours, theirs = parsed(octets), stdlib(**ended)
    for part, kind in (("text", "plain"), ("html", "html")):
        assert newlines(body(ours, kind)) == newlines(body(theirs, kind)) == ended[part]


@given(text=BODY)
def test_body_lines_are_short_and_seven_bits_in_either_encoding(text):
    for around in ("", "ж" * 50):
        octets = render(content(text=around + "{{ text }}"), text=text)
        wire_body = octets.partition(b"\r\n\r\n")[2]
        assert wire_body.isascii()
        check_lines(wire_body, longest=76)
        ended = newlines(around + text)
        assert newlines(parsed(octets).get_content()) == (ended if ended.endswith("\n") else ended + "\n")


@given(subject=LINE)
@example(subject="x" * 5000)
@example(subject="ü" * 5000)
@example(subject="word " * 1000 + "end")
@example(subject="wörd " * 1000 + "end")
@example(subject="two  blanks   and ü  more")
@example(subject="=?utf-8?q?not_a_word?=")
@example(subject="=?utf-8?q?not_a_word?= ü")
@example(subject="a" * 989)
@example(subject="a" * 990)
def test_any_subject_reads_back_as_the_standard_library_has_it(subject):
    octets = render(content(subject="{{ subject }}"), subject=subject)
    check_lines(octets)
    head = octets.partition(b"\r\n\r\n")[0]
    assert head.isascii()
    assert str(parsed(octets)["Subject"]) == subject.strip(" \t")
    if "=?" not in subject:  # which EmailMessage takes for an encoded word, and we do not
        in_memory = EmailMessage(policy=policy.default)
        in_memory["Subject"] = subject.strip(" \t")
        assert str(parsed(octets)["Subject"]) == str(in_memory["Subject"])


@given(name=LINE)
@example(name='Schmidt, Anna "Änne" (Berlin) \\ <x@y.example>')
@example(name="Anna, Bert; and: others @ home")
@example(name='"')
@example(name="\\")
@example(name="n" * 300)
@example(name="🎉" * 200)
def test_any_display_name_reads_back_with_its_address(name):
    octets = render(content(to_name="{{ name }}", sender="{{ quoted }} <news@shop.example>"), name=name, quoted=quoted(name))
    check_lines(octets)
    message = parsed(octets)
    for header, address in (("To", "anna@example.com"), ("From", "news@shop.example")):
        (mailbox,) = message[header].addresses
        theirs = StdlibAddress(name.strip(), addr_spec=address)
        assert (phrase(message, header), mailbox.addr_spec) == (theirs.display_name, theirs.addr_spec)


def phrase(message: EmailMessage, header: str) -> str:
    """The display name; encoded words by the older decoder, since the newer one keeps the blanks between them in a phrase."""
    (raw,) = (value for name, value in message.raw_items() if name == header)
    before, _, _ = raw.rpartition("<")
    return str(make_header(decode_header(before.strip()))) if "=?" in raw else message[header].addresses[0].display_name


def quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@pytest.mark.parametrize("part", ["subject", "to_name", "sender", "reply_to", "header X-Tag", "header List-Id"])
@given(before=LINE, after=BODY, breaker=st.sampled_from(["\r\nBcc: eve@example.com", "\n", "\r", "\0", "\r\n\r\n<b>", "\n "]))
def test_no_value_can_bring_a_header_of_its_own(part, before, after, breaker):
    """A line break in a rendered header fails this recipient, wherever it came from."""
    place = {"sender": "{{ value }} <a@shop.example>", "reply_to": "{{ value }} <a@shop.example>"}.get(part, "{{ value }}")
    made = content(headers={part[7:]: place}) if part.startswith("header ") else content(**{part: place})
    with pytest.raises(RenderFault) as failed:
        render(made, value=before + breaker + after)
    assert failed.value.part in {part, "to"}


@given(value=st.text())
@example("\x1f")
def test_whatever_a_value_is_the_headers_stay_the_ones_we_wrote(value):
    """Any text at all, line separators of other alphabets and half characters included."""
    made = content(subject="{{ v }}", to_name="{{ v }}", headers={"X-Tag": "{{ v }}"})
    try:
        octets = render(made, v=value)
    except RenderFault:
        assert re.search("[\r\n\0\ud800-\udfff]", value)
        return
    names = [line.partition(b":")[0] for line in octets.partition(b"\r\n\r\n")[0].split(b"\r\n") if line[:1] not in b" \t"]
    wanted = [b"From", b"To", b"Subject", b"Date", b"Message-ID", b"X-Tag", b"MIME-Version", b"Content-Type"]
    assert [name for name in names if name != b"Content-Transfer-Encoding"] == [
        name for name in wanted if name != b"X-Tag" or value.strip(" \t")
    ]


def test_a_whole_message_looks_as_it_should():
    made = content(
        subject="Sale for {{ name }}",
        text="Hi {{ name }}",
        html="<p>Hi {{ name }}</p>",
        to_name="{{ name }}",
        reply_to="help@shop.example",
    )
    assert render(made, name="A & B").decode("ascii") == (
        "From: News of the Shop <news@shop.example>\r\n"
        "To: A & B <anna@example.com>\r\n"
        "Subject: Sale for A & B\r\n"
        "Date: Sat, 21 Nov 2026 09:30:00 +0000\r\n"
        f"Message-ID: {MESSAGE_ID}\r\n"
        "Reply-To: help@shop.example\r\n"
        "MIME-Version: 1.0\r\n"
        f'Content-Type: multipart/alternative; boundary="=_{made.digest()[:24]}"\r\n'
        "\r\n"
        f"--=_{made.digest()[:24]}\r\n"
        'Content-Type: text/plain; charset="utf-8"\r\n'
        "Content-Transfer-Encoding: quoted-printable\r\n"
        "\r\n"
        "Hi A & B\r\n"
        "\r\n"
        f"--=_{made.digest()[:24]}\r\n"
        'Content-Type: text/html; charset="utf-8"\r\n'
        "Content-Transfer-Encoding: quoted-printable\r\n"
        "\r\n"
        "<p>Hi A &amp; B</p>\r\n"
        "\r\n"
        f"--=_{made.digest()[:24]}--\r\n"
    )


def test_the_same_delivery_is_the_same_bytes_on_every_attempt():
    made = content(subject="{{ a }} {{ address }}", html="{% for x in xs %}{{ x }}{% endfor %}", headers={"X-B": "1", "X-A": "2"})
    again = Content.from_mapping(made.as_mapping())
    assert render(made, a="ü", xs=["1", "2"]) == render(again, a="ü", xs=["1", "2"])


def test_a_body_that_quotes_the_boundary_does_not_end_its_part():
    made = content(text="{{ t }}", html="<p>end</p>")
    line = f"--=_{made.digest()[:24]}--"
    message = parsed(render(made, t=f"before\n{line}\nafter"))
    assert newlines(body(message, "plain")) == f"before\n{line}\nafter\n"
    assert newlines(body(message, "html")) == "<p>end</p>\n"


def test_only_an_international_address_needs_smtputf8_and_names_never_do():
    made = content(to_name="Jürgen", sender="Gärtnerei <news@gärtnerei.example>", text="Grüße")
    assert render(made, "jurgen@example.com").isascii()
    octets = render(made, "jürgen@xn--mller-kva.example")
    assert not octets.isascii()
    assert "<jürgen@xn--mller-kva.example>" in octets.decode("utf-8")
    assert b"<news@xn--grtnerei-0za.example>" in octets


@pytest.mark.parametrize(
    "address", ["a@b.example\r\nBcc: c@d.example", "a b@c.example", "a@b.example>", "nobody", "a\0@b.example", "\ud800@b.example"]
)
def test_an_address_that_was_never_checked_is_refused(address):
    with pytest.raises(RenderFault) as failed:
        render(content(), address)
    assert failed.value.part == "to"


def test_headers_that_come_out_empty_are_left_out():
    message = parsed(
        render(content(reply_to="{{ r }}", headers={"X-Tag": "{{ r }}"}, subject="{{ r }}", to_name="{{ r }}"), r="")
    )
    assert "Reply-To" not in message
    assert "X-Tag" not in message
    assert message["Subject"] == ""
    assert message["To"] == "anna@example.com"


def test_a_link_for_machines_is_never_encoded_or_broken():
    link = "<https://shop.example/u/" + "t" * 500 + ">, <mailto:u@shop.example>"
    octets = render(content(headers={"List-Unsubscribe": "{{ link }}"}), link=link)
    check_lines(octets)
    assert parsed(octets)["List-Unsubscribe"] == link
    for bad in ("<https://shop.example/ü>", "<https://shop.example/" + "t" * 1000 + ">"):
        with pytest.raises(RenderFault, match="ASCII"):
            render(content(headers={"List-Unsubscribe": "{{ link }}"}), link=bad)


@pytest.mark.parametrize(
    "name",
    [
        "Bcc",
        "BCC",
        "To",
        "Subject",
        "Content-Type",
        "content-language",
        "MIME-Version",
        "Resent-To",
        "X Y",
        "X:Y",
        ".X",
        "",
        "Ü",
        "X\r\nBcc",
    ],
)
def test_a_header_that_is_ours_or_none_is_refused_before_anything_is_sent(name):
    with pytest.raises(TemplateFault) as refused:
        compile_content(content(headers={name: "x"}), clock=time.monotonic)
    assert refused.value.part == f"header {name}"


@pytest.mark.parametrize(
    ("parts", "part", "reason"),
    [
        ({"sender": "nobody"}, "sender", "no sendable address"),
        ({"sender": "a@b.example, c@d.example"}, "sender", "no sendable address"),
        ({"sender": "x\ny <a@b.example>"}, "sender", "line break"),
        ({"reply_to": "me@localhost"}, "reply_to", "no sendable address"),
        ({"subject": "a\nb"}, "subject", "line break"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "headers", "twice"),
        ({"headers": {"Precedence": "bülk"}}, "header Precedence", "ASCII"),
        ({"subject": "s" * 10_001}, "subject", "longer than 10000"),
    ],
)
def test_what_is_wrong_for_everybody_is_found_before_anything_is_sent(parts, part, reason):
    with pytest.raises(TemplateFault, match=reason) as refused:
        compile_content(content(**parts), clock=time.monotonic)
    assert refused.value.part == part


def test_one_recipients_fault_leaves_the_next_one_alone():
    made = compile_content(content(text="Hi {{ name }}"), clock=time.monotonic)
    with pytest.raises(RenderFault) as failed:
        made.render("a@example.com", {}, message_id=MESSAGE_ID, date=DATE)
    assert (failed.value.part, failed.value.line, failed.value.variable) == ("text", 1, "name")
    assert failed.value.__cause__ is None
    assert failed.value.__suppress_context__
    assert b"Hi Anna" in made.render("a@example.com", {"name": "Anna"}, message_id=MESSAGE_ID, date=DATE)


def test_half_a_character_fails_its_recipient_by_name_of_the_part():
    for part in ("text", "subject", "to_name"):
        with pytest.raises(RenderFault, match="half a character") as failed:
            render(content(**{part: "{{ v }}"}), v="a\ud83d")
        assert failed.value.part == part


def test_a_body_is_bounded_in_bytes_not_only_in_characters():
    made = compile_content(content(text="{{ v }}"), clock=time.monotonic, limits=Limits(body_bytes=1000))
    made.render("a@example.com", {"v": "ü" * 499}, message_id=MESSAGE_ID, date=DATE)
    with pytest.raises(RenderFault, match="larger than 1000 bytes"):
        made.render("a@example.com", {"v": "ü" * 500}, message_id=MESSAGE_ID, date=DATE)


def test_the_envelope_sender_is_the_from_address_fixed_or_per_recipient():
    fixed = compile_content(content(), clock=time.monotonic).sender("a@example.com", {})
    assert (fixed.name, fixed.address.text) == ("News of the Shop", "news@shop.example")
    varied = compile_content(content(sender="{{ agent }} <{{ agent | lower }}@shop.example>"), clock=time.monotonic)
    assert varied.sender("a@example.com", {"agent": "Bo"}).address.text == "bo@shop.example"
    with pytest.raises(RenderFault) as failed:
        varied.sender("a@example.com", {"agent": "B o"})
    assert failed.value.part == "sender"
