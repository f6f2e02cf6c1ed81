"""The setting MAILQ, and what the system checks say of it."""

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.test.utils import override_settings

from mailq.contrib.django import EmailBackend
from mailq.contrib.django.configuration import configured
from tests.support.django_project import BACKEND

HTTP = "https://mailq.example"
KEY = "mq_live_secret"


def found(**settings):
    """What the checks say, as (id, words)."""
    with override_settings(**settings):
        return [(fault.id, fault.msg) for fault in run_checks(tags=["mailq"])]


def test_a_project_that_is_set_up_has_nothing_to_be_told():
    """With a mailer and a real address."""
    assert found() == []


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("default", "must be a dict"),
        ({"DATABASES": "default"}, "there is no DATABASES"),
        ({"DATABASE": 7}, "must be a string"),
        ({"DATABASE": "nowhere"}, "neither an address nor one of DATABASES (default, other)"),
        ({"DATABASE": HTTP}, "there is no KEY"),
        ({"DATABASE": "mysql://u:hidden@x/y"}, "the scheme mysql"),
        ({"SCHEMA": 'mailq"; DROP'}, "name of a schema"),
        ({"OUTBOX": "nowhere"}, "none of DATABASES"),
        ({"OUTBOX": "default", "DATABASE": HTTP}, "DATABASE says nothing"),
    ],
)
def test_what_cannot_be_is_said_by_the_checks_and_refused_by_the_backend(said, words):
    """In the same words, and without secrets."""
    [(code, told)] = found(MAILQ=said)
    assert code == "mailq.E001"
    assert words in told
    assert "hidden" not in told
    with override_settings(MAILQ=said), pytest.raises(ImproperlyConfigured):
        configured()


def test_a_database_that_is_no_postgresql_is_told_of_the_outbox():
    """SQLite, MySQL and the like."""
    [(_, told)] = found(MAILQ={"DATABASE": "other"})

    assert "no PostgreSQL" in told
    assert "OUTBOX" in told
    with override_settings(MAILQ={"OUTBOX": "other"}):
        assert configured().by_outbox


def test_a_project_whose_mail_goes_elsewhere_is_told():
    """The app alone takes no mail."""
    other = "django.core.mail.backends.console.EmailBackend"
    mailers = {"EMAIL_BACKEND": other} if "MAILERS" not in _mailers() else {"MAILERS": {"default": {"BACKEND": other}}}

    [(code, _)] = found(**mailers)

    assert code == "mailq.W001"


def test_any_of_several_mailers_may_be_mailqs():
    """By the names that Django has from 6.1 on; the setting is read on any version."""
    elsewhere = {"BACKEND": "django.core.mail.backends.console.EmailBackend"}

    assert found(MAILERS={"default": elsewhere, "slow": {"BACKEND": BACKEND, "OPTIONS": {"lane": "bulk"}}}) == []
    assert [code for code, _ in found(MAILERS={"default": elsewhere, "other": {}})] == ["mailq.W001"]


def test_a_mailer_is_made_of_its_name_and_its_options():
    """As Django makes it from 6.1 on; they go before the setting."""
    options = {
        "lane": "bulk",
        "doubt_policy": "resend",
        "database": HTTP,
        "key": KEY,
        "organization": "other",
        "on_commit": False,
    }

    made = EmailBackend(alias="slow", **options)

    entrance = made._configuration.entrance
    assert (entrance.url, entrance.key, entrance.organization) == (HTTP, KEY, "other")
    assert (made._lane, made._doubt_policy, made._on_commit, made.fail_silently) == ("bulk", "resend", False, False)
    assert getattr(made, "alias", "slow") == "slow"


def test_djangos_own_default_sender_is_no_address():
    """Every mail without a sender would be refused."""
    [(code, told)] = found(DEFAULT_FROM_EMAIL="webmaster@localhost")

    assert (code, "DEFAULT_FROM_EMAIL" in told) == ("mailq.W002", True)


def test_options_of_a_mailer_go_before_the_setting():
    """One by one; a door named there is no outbox."""
    with override_settings(MAILQ={"DATABASE": HTTP, "KEY": KEY, "ORGANIZATION": "shop"}):
        chosen = configured(organization="other").entrance
        assert (chosen.url, chosen.key, chosen.organization) == (HTTP, KEY, "other")
    with override_settings(MAILQ={"OUTBOX": "default"}):
        assert configured(database=HTTP, key=KEY).entrance.url == HTTP


def test_a_key_is_not_shown():
    """A configuration may stand in a traceback."""
    with override_settings(MAILQ={"DATABASE": HTTP, "KEY": KEY}):
        assert KEY not in repr(configured())


def _mailers():
    from django.conf import settings

    return {name: getattr(settings, name) for name in ("MAILERS",) if hasattr(settings, name)}


def test_the_backend_is_known_by_its_name():
    """As the settings name it."""
    from django.utils.module_loading import import_string

    assert import_string(BACKEND).__name__ == "EmailBackend"
