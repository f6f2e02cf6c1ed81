"""Django's messages as mailq takes them."""

from email import message_from_bytes, policy
from email.message import EmailMessage as Mail

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage, EmailMultiAlternatives

from mailq.client import Email
from mailq.contrib.django.emails import address_in, emails_of
from mailq.core.message import mime
from mailq.core.message.mime import canonical_mail
from mailq.errors import BadInput


def read(email: Email) -> Mail:
    """What the recipient's program would show."""
    parsed = message_from_bytes(canonical_mail(email.message).encode(), policy=policy.default)
    assert isinstance(parsed, Mail)
    return parsed


def a_message(**parts: object) -> EmailMessage:
    """A plain one."""
    return EmailMessage(**{"subject": "Hello", "body": "Dear you,\n", "to": ["ann@x.example"], **parts})


def test_everybody_addressed_gets_the_message_and_nobody_sees_the_bcc():
    """To and Cc are in the headers; each address is there once, in whatever field it stands twice."""
    message = a_message(
        to=["Ann <ann@x.example>", "bob@x.example"], cc=["cy@x.example", "ann@x.example"], bcc=["Secret <dee@x.example>"]
    )

    emails = emails_of(message)

    assert [email.to for email in emails] == ["ann@x.example", "bob@x.example", "cy@x.example", "dee@x.example"]
    for email in emails:
        mail = read(email)
        assert (mail["To"], mail["Cc"]) == ("Ann <ann@x.example>, bob@x.example", "cy@x.example, ann@x.example")
        assert mail["Bcc"] is None
        assert "dee@x.example" not in canonical_mail(email.message)


def test_alternatives_attachments_headers_and_reply_to_arrive():
    """As Django builds them."""
    message = EmailMultiAlternatives(
        "Überraschung",
        "Grüße aus Köln\n" + "x" * 1200 + "\n",
        "Köln <shop@mailq.example>",
        ["ann@x.example"],
        reply_to=["help@mailq.example"],
        headers={"List-Id": "<news.mailq.example>"},
    )
    message.attach_alternative("<p>Grüße</p>", "text/html")
    message.attach("Rechnung.pdf", b"%PDF-\x00\xff", "application/pdf")

    mail = read(emails_of(message)[0])

    assert (mail["Subject"], mail["From"]) == ("Überraschung", "Köln <shop@mailq.example>")
    assert (mail["Reply-To"], mail["List-Id"]) == ("help@mailq.example", "<news.mailq.example>")
    assert mail.get_body(["plain"]).get_content().splitlines() == ["Grüße aus Köln", "x" * 1200]
    assert mail.get_body(["html"]).get_content().strip() == "<p>Grüße</p>"
    [attached] = mail.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == ("Rechnung.pdf", b"%PDF-\x00\xff")


def test_a_message_to_many_is_built_and_written_anew_once():
    """An attachment would be encoded for everybody otherwise."""
    emails = emails_of(a_message(bcc=[f"r{number}@x.example" for number in range(99)]))
    before = mime._canonical.cache_info()

    assert len({canonical_mail(email.message) for email in emails}) == 1

    assert len({id(email.message) for email in emails}) == 1
    assert mime._canonical.cache_info().misses == before.misses + 1


def test_the_envelope_sender_is_the_from_address_unless_the_message_says_another():
    """`envelope_sender` is what other backends call it."""
    message = a_message(from_email="Shop <shop@mailq.example>")
    assert emails_of(message)[0].sender == "shop@mailq.example"

    message.envelope_sender = "bounces@mailq.example"
    assert emails_of(message)[0].sender == "bounces@mailq.example"


def test_a_key_lane_and_policy_of_the_message_go_before_those_of_the_mailer():
    """With several recipients each has a key of his own."""
    message = a_message(to=["ann@x.example", "bob@x.example"])
    assert {(email.lane, email.doubt_policy, email.key) for email in emails_of(message)} == {("transactional", "hold", None)}
    assert {email.lane for email in emails_of(message, lane="bulk")} == {"bulk"}

    message.mailq_key, message.mailq_lane, message.mailq_doubt_policy = "welcome-7", "normal", "resend"

    emails = emails_of(message, lane="bulk", doubt_policy="assume_sent")
    assert [(email.key, email.lane, email.doubt_policy) for email in emails] == [
        ("welcome-7/1", "normal", "resend"),
        ("welcome-7/2", "normal", "resend"),
    ]


@pytest.mark.parametrize("field", ["subject", "from_email", "to", "cc", "bcc", "reply_to", "header"])
def test_a_line_break_in_a_header_is_refused_as_django_refuses_it(field):
    """Whatever stands behind it would be a header of its own."""
    evil = "ann@x.example\nBcc: eve@evil.example"
    parts = (
        {"headers": {"X-Reason": evil}} if field == "header" else {field: evil if field in {"subject", "from_email"} else [evil]}
    )

    with pytest.raises(ValueError, match=r"newline|line"):
        emails_of(a_message(**parts))


@pytest.mark.parametrize(
    ("parts", "field"),
    [({"to": ["ann@localhost"]}, "to"), ({"bcc": ["a..b@x.example"]}, None), ({"from_email": "webmaster@localhost"}, "sender")],
)
def test_an_address_that_mail_cannot_be_sent_to_is_refused_before_anything_is_written(parts, field):
    """`webmaster@localhost` is Django's own default."""
    with pytest.raises((BadInput, ValueError)) as refused:
        emails_of(a_message(**parts))

    assert getattr(refused.value, "field", None) == field


def test_of_a_mailing_such_an_address_is_skipped_with_a_reason_instead():
    """One of a thousand does not stop the others."""
    assert [email.to for email in emails_of(a_message(to=["ann@localhost"]), careful=False)] == ["ann@localhost"]


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("ann@x.example", "ann@x.example"),
        ('"Ann, the first" <ann@x.example>', "ann@x.example"),
        ("Ann <ann@bücher.example>", "ann@bücher.example"),
        ("jürgen@x.example", "jürgen@x.example"),
    ],
)
def test_the_address_is_found_in_what_people_write(written, address):
    """Letters beyond ASCII are for mailq to judge."""
    assert address_in(written) == address


@pytest.mark.parametrize("written", ["", "ann@x.example, bob@x.example", "Ann <ann@x.example", "@x.example"])
def test_what_is_not_one_address_is_refused(written):
    """As Django's own backend does."""
    with pytest.raises(ValueError, match="Invalid address"):
        address_in(written)


def test_a_lane_that_nobody_knows_is_named():
    """The list of those there are is at hand."""
    message = a_message()
    message.mailq_lane = "express"

    with pytest.raises(ImproperlyConfigured, match="transactional, normal"):
        emails_of(message)
