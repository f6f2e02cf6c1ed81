"""What the pages of the frameworks say can be copied."""

import asyncio

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage, send_mail
from django.core.management import call_command
from django.db import transaction
from django.http import HttpResponse
from django.test import RequestFactory
from django.test.utils import override_settings
from fastapi import FastAPI
from fastapi.testclient import TestClient

from mailq import Mailing
from mailq.contrib.django import EmailBackend, client, submit
from mailq.contrib.fastapi import MailqLifespan
from tests.support.examples import of_page

DJANGO, FLASK, FASTAPI = (f"docs/doors/{name}.md" for name in ("django", "flask", "fastapi"))
ADDRESS = "postgresql://app@localhost/shop"


class Declined(Exception):
    """A card is not good."""


def copied(page, name, database_url="", **known):
    """An example, run where these names are known; what it has defined."""
    code = of_page(page)[name].replace(ADDRESS.removeprefix("postgresql"), database_url.removeprefix("postgresql"))
    exec(compile(code, f"{page}:{name}", "exec"), known)
    return known


@pytest.fixture
def django_tables(project):
    """Django's own, in this test's database."""
    call_command("migrate", verbosity=0)


def test_the_settings_of_django_are_enough(project, messages):
    """Without a fault in Django's own checks."""
    said = copied(DJANGO, "settings.py", INSTALLED_APPS=[])
    assert said["INSTALLED_APPS"] == ["mailq.contrib.django"]
    chosen = {name: value for name, value in said.items() if name.isupper() and name != "INSTALLED_APPS"}
    if hasattr(settings, "MAILERS"):
        # From Django 6.1 on a project has one or the other.
        chosen["MAILERS"] = {"default": {"BACKEND": chosen.pop("EMAIL_BACKEND")}}

    with override_settings(**chosen):
        call_command("check", tags=["mailq"], databases=["default"], fail_level="WARNING")
        call_command("mailq_check")
        send_mail("Hello", "Dear Ann,\n", None, ["ann@x.example"])

    [row] = messages()
    assert "From: Shop <shop@mailq.example>\r\n" in row.variables["mime"]


def test_the_mailers_of_django_can_be_made():
    """With the options they name."""
    for mailer in copied(DJANGO, "mailers.py")["MAILERS"].values():
        EmailBackend(**mailer.get("OPTIONS", {}))


def test_the_view_of_django_writes_the_user_and_the_mail_or_neither(django_tables, messages):
    """As its words say."""

    def charge(card):
        if card == "declined":
            raise Declined

    known = {"transaction": transaction, "User": User, "send_mail": send_mail, "charge": charge, "HttpResponse": HttpResponse}
    sign_up = copied(DJANGO, "sign_up.py", **known)["sign_up"]
    form = {"name": "ann", "email": "ann@x.example", "card": "declined"}

    with pytest.raises(Declined):
        sign_up(RequestFactory().post("/", form))
    assert (User.objects.count(), messages()) == (0, [])

    sign_up(RequestFactory().post("/", {**form, "card": "good"}))
    assert (User.objects.count(), [row.address for row in messages()]) == (1, ["ann@x.example"])


def test_a_list_of_django_is_a_mailing_with_a_name(project, mailings):
    """And a key."""
    orders = [(1, "ann@x.example"), (2, "bob@x.example")]
    copied(DJANGO, "orders.py", EmailBackend=EmailBackend, EmailMessage=EmailMessage, orders=orders)

    assert [(made.name, made.key) for made in mailings()] == [("Orders of Monday", "orders-2026-11-23")]


def test_a_newsletter_of_django_goes_to_a_queryset(django_tables, deliveries, capsys):
    """Read from the same connection as it is written."""
    User.objects.bulk_create(User(username=f"u{number}", email=f"u{number}@x.example") for number in range(5000))

    copied(DJANGO, "newsletter.py", Mailing=Mailing, User=User, submit=submit, client=client)

    assert capsys.readouterr().out == "5000\n"
    assert len(deliveries()) == 5000


def test_the_app_of_flask_works(database_url, messages, mailings):
    """All three of its views."""
    known = copied(FLASK, "app.py", database_url, __name__="shop_of_flask")
    browser = known["app"].test_client()

    for path in ("/hello", "/sign-up", "/news"):
        assert browser.post(path, data={"to": "ann@x.example"}).status_code == 200, path
    known["engine"].dispose()

    assert (len(messages()), len(mailings())) == (2, 1)


def test_the_app_of_fastapi_works(database_url, messages, mailings):
    """All three of its endpoints."""
    known = copied(FASTAPI, "app.py", database_url, __name__="shop_of_fastapi")

    with TestClient(known["app"]) as browser:
        for path in ("/hello?to=ann@x.example", "/sign-up?to=ann@x.example", "/news"):
            assert browser.post(path).status_code == 200, path
    asyncio.run(known["engine"].dispose())

    assert (len(messages()), len(mailings())) == (2, 1)


def test_an_app_without_a_lifespan_of_its_own_connects(database_url):
    """In FastAPI."""
    known = copied(FASTAPI, "lifespan.py", database_url, FastAPI=FastAPI, MailqLifespan=MailqLifespan)

    with TestClient(known["app"]) as browser:
        assert browser.app.state.mailq is not None
