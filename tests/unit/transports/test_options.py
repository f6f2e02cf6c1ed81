"""A relay's URL, and that its password shows nowhere."""

from datetime import timedelta

import pytest

from mailq.errors import Misconfigured
from mailq.transports.smtp import Mechanism, SmtpOptions, SmtpWire, Tls

RELAY = "mail.example"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example", SmtpOptions(RELAY, 25)),
        ("smtp://mail.example:2525/", SmtpOptions(RELAY, 2525)),
        ("smtp://[::1]:2525", SmtpOptions("::1", 2525)),
        ("smtps://mail.example", SmtpOptions(RELAY, 465, Tls.VERIFIED, implicit_tls=True)),
        ("smtps://mail.example?tls=required", SmtpOptions(RELAY, 465, Tls.REQUIRED, implicit_tls=True)),
        ("smtp://mail.example:587?starttls=require", SmtpOptions(RELAY, 587, Tls.VERIFIED)),
        ("smtp://mail.example?tls=off", SmtpOptions(RELAY, 25, Tls.OFF)),
        ("smtp://mail.example?tls=required", SmtpOptions(RELAY, 25, Tls.REQUIRED)),
        ("smtp://mail.example?source_address=192.0.2.7", SmtpOptions(RELAY, source_address="192.0.2.7")),
        ("smtp://mail.example?ca_file=/etc/our.pem", SmtpOptions(RELAY, ca_file="/etc/our.pem")),
        (
            "smtps://me%40example.org:s%3Acr%2Fet@mail.example?local_hostname=out.example",
            SmtpOptions(RELAY, 465, Tls.VERIFIED, True, "me@example.org", "s:cr/et", local_hostname="out.example"),
        ),
        (
            "smtp://me:token@mail.example?auth=xoauth2",
            SmtpOptions(RELAY, tls=Tls.VERIFIED, username="me", password="token", auth=Mechanism.XOAUTH2),
        ),
    ],
)
def test_a_url_says_how_to_reach_the_relay(url: str, expected: SmtpOptions):
    assert SmtpOptions.from_url(url) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example", Tls.OPPORTUNISTIC),
        ("smtp://me:x@mail.example", Tls.VERIFIED),
        ("smtp://me:x@mail.example?plaintext_auth=allow", Tls.OPPORTUNISTIC),
        ("smtp://me:x@mail.example?plaintext_auth=allow&tls=off", Tls.OFF),
        ("smtp://me:x@mail.example?tls=required", Tls.REQUIRED),
        ("smtps://me:x@mail.example?plaintext_auth=allow", Tls.VERIFIED),
    ],
)
def test_who_gets_a_password_must_prove_who_it_is_unless_somebody_said_otherwise(url: str, expected: Tls):
    assert SmtpOptions.from_url(url).tls is expected


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
        "smtp://me:s3cret@mail.example?tls=off",
        "smtps://me:s3cret@mail.example?tls=opportunistic",
        "smtps://me:s3cret@mail.example?tls=off&plaintext_auth=allow",
        "smtp://me:s3cret@mail.example?tls=s3cret",
        "smtp://me:s3cret@mail.example?auth=gssapi",
        "smtp://me:s3cret@mail.example?source_address=mail.example",
        "smtp://me:s3cret@mail.example?local_hostname=a%0d%0aMAIL",
        "smtp://me:s3cret@mail.example?local_hostname=",
        "smtp://me:s3cret@mail.example?ca_file=",
        "smtp://me:s3cret@mail.example?colour=blue",
        "smtp://mail.example?auth=plain",
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


def test_the_deadlines_are_those_of_the_rfc():
    options = SmtpOptions(RELAY)
    waits = (options.command_timeout, options.data_timeout, options.block_timeout, options.dot_timeout)
    assert waits == (timedelta(minutes=5), timedelta(minutes=2), timedelta(minutes=3), timedelta(minutes=10))


def test_a_password_shows_in_no_name_or_representation():
    options = SmtpOptions.from_url("smtps://me:s3cret@mail.example")
    assert "s3cret" not in f"{options!r} {options} {options.relay} {SmtpWire(options)!r}"
    assert options.relay == "mail.example:465"


def test_a_certificate_file_that_is_not_there_is_named():
    with pytest.raises(Misconfigured, match="/no/such/file"):
        _ = SmtpOptions("mail.example", ca_file="/no/such/file").tls_context
