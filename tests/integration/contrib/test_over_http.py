"""The frameworks, with mailq behind its HTTP API on a real socket."""

from io import StringIO

import pytest
from django.core.mail import EmailMultiAlternatives, send_mail, send_mass_mail
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test.utils import override_settings
from fastapi import FastAPI
from fastapi.testclient import TestClient
from flask import Flask

from mailq.admin import keys
from mailq.client import Mailing, Message
from mailq.contrib.django import EmailBackend
from mailq.contrib.fastapi import ClientDep, MailqLifespan, SyncClientDep, answer_errors
from mailq.contrib.flask import Mailq
from mailq.settings import Settings
from tests.support.api import serving_api

SENDER = "shop@mailq.example"
HELLO = Message("ann@x.example", "Hello", SENDER, "Dear Ann,\n")


@pytest.fixture
def api(database_url):
    """Where it listens."""
    with serving_api(Settings(database_url=database_url)) as running:
        yield running.url


@pytest.fixture
def key(database):
    """It may do everything."""
    return keys.create(database, "default", "test", ["admin"]).key


@pytest.fixture
def by_http(project, api, key):
    """A Django project that has its mail there."""
    with override_settings(MAILQ={"DATABASE": api, "KEY": key}):
        yield


@pytest.mark.usefixtures("by_http")
def test_mail_of_django_waits_for_its_commit_and_arrives(messages, mailings, deliveries):
    """Single and in lists, with all that Django puts into a message."""
    with transaction.atomic():
        send_mail("Hello", "Dear Ann,\n", SENDER, ["ann@x.example"])
        transaction.set_rollback(True)
    rich = EmailMultiAlternatives("Grüße", "Dear Bob,\n", SENDER, ["bob@x.example"], bcc=["cy@x.example"])
    rich.attach_alternative("<p>Dear Bob</p>", "text/html")
    rich.attach("a.bin", b"\x00\xff", "application/octet-stream")
    with transaction.atomic():
        rich.send()
        assert messages() == []
    send_mass_mail([(f"Order {number}", "Dear you,\n", SENDER, ["ann@x.example"]) for number in (1, 2)])

    assert [row.address for row in messages()] == ["bob@x.example", "cy@x.example"]
    assert all("a.bin" in row.variables["mime"] and "cy@" not in row.variables["mime"] for row in messages())
    assert [made.name for made in mailings()] == ["Order 1"]
    assert len(deliveries()) == 2


@pytest.mark.usefixtures("by_http")
def test_the_commands_of_django_ask_there():
    """And say what is in the way."""
    said = StringIO()
    call_command("mailq_check", stdout=said)
    assert "its own address" in said.getvalue()
    backend = EmailBackend()
    backend.mailing_key = "orders"
    backend.send_messages([EmailMultiAlternatives("Order", "Dear you,\n", SENDER, ["ann@x.example"])])

    call_command("mailq_status", "orders", stdout=said)

    assert " 0/1 " in said.getvalue()


def test_a_key_that_is_not_known_is_in_the_way(project, api):
    """It is said before the first mail."""
    with override_settings(MAILQ={"DATABASE": api, "KEY": "mq_live_wrong"}), pytest.raises(CommandError):
        call_command("mailq_check")


def test_an_app_of_flask_sends_there(api, key, messages, mailings):
    """With the key of its configuration."""
    app = Flask("shop")
    app.config.update(MAILQ_URL=api, MAILQ_KEY=key)
    mailq = Mailq(app)

    with app.app_context():
        mailq.send(HELLO)
        taken = mailq.submit(Mailing("News", "News", SENDER, "Dear all,\n"), ["ann@x.example", "bob@x.example"])
        assert mailq.progress(taken.id).num_profiles == 2

    assert (len(messages()), len(mailings())) == (1, 1)


def test_an_app_of_fastapi_sends_there(api, key, messages):
    """Asynchronously and in threads; and its refusals are this app's."""
    app = FastAPI(lifespan=MailqLifespan(api, key=key))
    answer_errors(app)

    @app.post("/async")
    async def hello(mailq: ClientDep, to: str) -> None:
        await mailq.send(Message(to, "Hello", SENDER, "Dear you,\n"))

    @app.post("/sync")
    def hello_too(mailq: SyncClientDep, to: str) -> None:
        mailq.send(Message(to, "Hello", SENDER, "Dear you,\n"))

    with TestClient(app) as browser:
        for path in ("/async", "/sync"):
            assert browser.post(f"{path}?to=ann@x.example").status_code == 200
            refused = browser.post(f"{path}?to=nobody")
            assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "to")

    assert len(messages()) == 2
