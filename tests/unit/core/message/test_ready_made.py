"""A mail that a program has built arrives as it was built, but for what is ours to say."""

import json
import re
import time
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailq.core.message import ReadyMade, RenderFault, TemplateFault, canonical_mail, compile_content, read_content

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"))

NESTED = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (depth, depth) for depth in range(2000))


def built(text="Hello", **headers):
    mail = EmailMessage()
    given = {"From": "Shop <shop@x.example>", "To": "ann@x.example", "Subject": "Your ticket"} | headers
    for name, value in given.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text)
    return mail


def read(mail):
    return message_from_bytes(canonical_mail(mail).encode("ascii"), policy=policy.default)


def is_fit_for_every_relay(text):
    assert text.isascii()
    assert "\0" not in text
    assert text.endswith("\r\n")
    assert max(map(len, text.split("\r\n"))) <= 998
    assert text.count("\r\n") == text.count("\r") == text.count("\n")


@settings(max_examples=50)
@given(text=TEXT, html=TEXT, data=st.binary(max_size=300), cte=st.sampled_from(["8bit", "base64", "quoted-printable"]))
@example(text=".\n..\n" + "ü" * 2000, html="x" * 2000, data=b"\r\n.\r\n", cte="8bit")
def test_texts_and_attachments_arrive_as_they_were(text, html, data, cte):
    mail = built(text)
    mail.add_alternative(html, subtype="html", cte=cte)
    mail.add_attachment(data, maintype="application", subtype="pdf", filename="Rechnung ü.pdf")
    made = canonical_mail(mail)
    is_fit_for_every_relay(made)
    arrived = message_from_bytes(made.encode(), policy=policy.default)
    assert arrived.get_body(["plain"]).get_content().replace("\r\n", "\n").rstrip("\n") == text.rstrip("\n")
    assert arrived.get_body(["html"]).get_content().replace("\r\n", "\n").rstrip("\n") == html.rstrip("\n")
    [attached] = arrived.iter_attachments()
    assert (attached.get_content(), attached.get_filename()) == (data, "Rechnung ü.pdf")


@settings(max_examples=200)
@given(octets=st.one_of(st.binary(max_size=400), st.binary(max_size=400).map(lambda more: b"From: a@x.example\r\n" + more)))
@example(octets=b"From: a@x.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\n--b--")
@example(octets=b"From: a@x.example\nContent-Type: text/plain; charset=nonsense\n\n\xff\xfe")
@example(octets=b"From: a@x.example\nContent-Transfer-Encoding: quoted-printable\n\n\xff")
def test_whatever_it_is_given_it_is_fit_for_every_relay_or_refused(octets):
    try:
        made = canonical_mail(octets)
    except TemplateFault:
        return
    is_fit_for_every_relay(made)
    assert canonical_mail(made.encode("ascii")) == made


def test_what_is_ours_to_say_is_taken_out():
    mail = built(Bcc="eve@x.example", Message_ID="<1@x>", Date="Sat, 21 Nov 2026 09:30:00 +0000", Return_Path="<a@x>")
    assert read(mail).keys() == ["From", "To", "Subject", "Content-Type", "Content-Transfer-Encoding", "MIME-Version"]


def test_several_recipients_in_sight_stay_in_sight():
    assert [each.addr_spec for each in read(built(Cc="b@x.example, c@x.example"))["Cc"].addresses] == [
        "b@x.example",
        "c@x.example",
    ]


def test_the_same_mail_is_the_same_text_whatever_its_boundaries():
    def mail(boundary):
        outer = MIMEMultipart(boundary=boundary)
        outer["From"], outer["Message-ID"] = "a@x.example", f"<{boundary}@x>"
        outer.attach(MIMEText("ü" * 100, _charset="utf-8"))
        outer.attach(MIMEApplication(b"data"))
        return outer

    assert canonical_mail(mail("one")) == canonical_mail(mail("two"))
    assert canonical_mail(mail("one")) == canonical_mail(mail("one").as_bytes())


def test_what_is_signed_stays_as_it_is():
    signed = b"Content-Type: text/plain\r\nX-Long: two  blanks\r\n   and a line\r\n\r\nHi =20 there"
    signature = b"Content-Type: application/pgp-signature\r\n\r\nabc\r\n--s--\r\n"
    mail = b"From: a@x.example\r\nContent-Type: multipart/signed; boundary=s; micalg=pgp-sha256\r\n\r\n--s\r\n"
    assert b"\r\n" + signed + b"\r\n--" in canonical_mail(mail + signed + b"\r\n--s\r\n" + signature).encode()


def test_bare_utf_8_in_headers_and_in_a_body_without_a_charset_becomes_readable():
    arrived = read("From: Jörg <a@x.example>\r\nSubject: Grüße\r\n\r\nblaß\r\n".encode())
    assert (arrived["Subject"], arrived["From"].addresses[0].display_name, arrived.get_content()) == ("Grüße", "Jörg", "blaß\r\n")


def test_a_header_with_a_line_break_of_the_old_classes_is_refused():
    mail = Message()
    mail["From"], mail["Subject"] = "a@x.example", "x\nReply-To: eve@x.example"
    with pytest.raises(TemplateFault, match="line break") as caught:
        canonical_mail(mail)
    assert caught.value.field == "header Subject"


@pytest.mark.parametrize(
    ("mail", "field"),
    [
        (b"", "header From"),
        (b"Subject: x\r\n\r\nhello", "header From"),
        (b"From: nobody\r\n\r\n", "header From"),
        (built(To="J <jörg@x.example>"), "header To"),
        (b"From: a@x.example\r\n\r\n" + b"x" * 10_000_001, "mime"),
        (b"From: a@x.example\r\nX-Long: " + b"x" * 1000 + b"\r\n\r\n", "mime"),
        (b"From: a@x.example\r\n" + NESTED, "mime"),
    ],
)
def test_what_cannot_be_sent_is_refused_by_name(mail, field):
    with pytest.raises(TemplateFault) as caught:
        canonical_mail(mail)
    assert caught.value.field == field


def test_it_is_rendered_with_our_date_and_message_id_before_it():
    content = read_content(json.loads(json.dumps(ReadyMade().as_mapping())))
    renderer = compile_content(content, clock=time.monotonic)
    variables = {"sender": "bounces@x.example", "mime": canonical_mail(built())}
    made = renderer.render("ann@x.example", variables, message_id="<1@x.example>", date="Sat, 21 Nov 2026 09:30:00 +0000")
    assert re.match(rb"Date: Sat, 21 Nov 2026 09:30:00 \+0000\r\nMessage-ID: <1@x.example>\r\nFrom: ", made)
    assert renderer.sender("ann@x.example", variables).address.text == "bounces@x.example"


@pytest.mark.parametrize("mime", [None, "", "no header\r\n", "A: b\n", "A: ü\r\n", "A: b\r\n\rC: d\r\n", "\r\nbody\r\n"])
def test_variables_that_hold_no_mail_of_ours_are_at_fault(mime):
    with pytest.raises(RenderFault):
        ReadyMade().render("ann@x.example", {"mime": mime}, message_id="<1@x>", date="now")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("To", "\r\n ".join(["a." * 400] * 30)),
        ("From", '"' * 20_001),
        ("Content-Type", "text/plain" + ";" * 900),
        ("content-disposition", "attachment; filename=" + "x" * 2001),
        ("To", "\r ".join(["a." * 400] * 30)),
    ],
)
def test_a_header_that_takes_ages_to_read_is_not_read(name, value):
    with pytest.raises(TemplateFault) as refused:
        canonical_mail(f"{name}: {value}\r\nFrom: Shop <shop@x.example>\r\n\r\nHello\r\n".encode())
    assert refused.value.part == f"header {name}"


def test_a_mail_of_very_many_parts_is_refused():
    head = b"From: Shop <shop@x.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    with pytest.raises(TemplateFault, match="more than 1,000 parts"):
        canonical_mail(head + b"--x\r\n\r\n" * 1001 + b"--x--\r\n")


@pytest.mark.parametrize("name", ["From", "Sender", "Reply-To", "To", "Cc", "Subject"])
def test_a_header_that_may_stand_once_is_refused_when_it_stands_twice(name):
    head = b"From: Shop <shop@x.example>\r\n" if name != "From" else b""
    said = f"{name}: a@x.example\r\n".encode() * 2
    with pytest.raises(TemplateFault, match="more than once") as caught:
        canonical_mail(head + said + b"\r\nhello\r\n")
    assert caught.value.field == f"header {name}"


def test_a_bare_carriage_return_does_not_begin_a_header():
    with pytest.raises(TemplateFault, match="line break") as caught:
        canonical_mail(b"From: shop@x.example\r\nSubject: x\rBcc: eve@x.example\r\n\r\nhello\r\n")
    assert caught.value.field == "header Subject"


def test_a_bare_carriage_return_in_a_body_is_a_line_end_as_ever():
    made = canonical_mail(b"From: shop@x.example\r\n\r\none\rtwo\r\n")
    assert "one\r\ntwo\r\n" in made


def test_very_many_headers_are_refused():
    head = b"From: shop@x.example\r\n" + b"X-A: b\r\n" * 1001
    with pytest.raises(TemplateFault, match="more than 1,000 lines of headers"):
        canonical_mail(head + b"\r\nhello\r\n")
