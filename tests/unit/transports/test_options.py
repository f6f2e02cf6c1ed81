"""A relay's URL, and that its password shows nowhere."""

from datetime import timedelta

import pytest

from mailq.errors import Misconfigured
from mailq.transports.smtp import Security, SmtpOptions, SmtpWire


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example", SmtpOptions("mail.example", 25)),
        ("smtp://mail.example:2525/", SmtpOptions("mail.example", 2525)),
        ("smtp://[::1]:2525", SmtpOptions("::1", 2525)),
        ("smtps://mail.example", SmtpOptions("mail.example", 465, Security.TLS)),
        ("smtp://mail.example:587?starttls=require", SmtpOptions("mail.example", 587, Security.STARTTLS)),
        (
            "smtps://me%40example.org:s%3Acr%2Fet@mail.example?local_hostname=out.example",
            SmtpOptions("mail.example", 465, Security.TLS, "me@example.org", "s:cr/et", local_hostname="out.example"),
        ),
        (
            "smtp://me:x@mail.example?plaintext_auth=allow",
            SmtpOptions("mail.example", 25, username="me", password="x", plaintext_auth=True),
        ),
    ],
)
def test_a_url_says_how_to_reach_the_relay(url: str, expected: SmtpOptions):
    assert SmtpOptions.from_url(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "http://me:s3cret@mail.example",
        "me:s3cret@mail.example",
        "smtp://me:s3cret@",
        "smtp://me:s3cret@mail.example:port",
        "smtp://me:s3cret@mail.example:99999",
        "smtp://me:s3cret@[::1",
        "smtp://me:s3cret@mail.example/path",
        "smtp://me:s3cret@mail.example?starttls=maybe",
        "smtps://me:s3cret@mail.example?starttls=require",
        "smtp://me:s3cret@mail.example?colour=blue",
        "",
    ],
)
def test_a_url_at_fault_is_refused_without_being_repeated(url: str):
    with pytest.raises(Misconfigured) as caught:
        SmtpOptions.from_url(url)
    assert "s3cret" not in str(caught.value)


def test_settings_stand_beside_the_url():
    options = SmtpOptions.from_url("smtp://mail.example", sessions=3, dot_timeout=timedelta(seconds=5))
    assert (options.sessions, options.dot_timeout) == (3, timedelta(seconds=5))


def test_a_password_shows_in_no_name_or_representation():
    options = SmtpOptions.from_url("smtps://me:s3cret@mail.example")
    assert "s3cret" not in f"{options!r} {options} {options.relay} {SmtpWire(options)!r}"
    assert options.relay == "mail.example:465"


def test_a_certificate_file_that_is_not_there_is_named():
    with pytest.raises(Misconfigured, match="/no/such/file"):
        _ = SmtpOptions("mail.example", ca_file="/no/such/file").tls_context
