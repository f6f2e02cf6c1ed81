"""Django's mail, written in Django's own transaction."""

from contextlib import contextmanager, suppress

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core import mail
from django.core.exceptions import ImproperlyConfigured, SynchronousOnlyOperation
from django.core.mail import EmailMessage, send_mail, send_mass_mail
from django.db import connection, transaction
from django.test import Client as Browser
from django.test.utils import override_settings

from mailq.client import Mailing, Message
from mailq.contrib.django import EmailBackend, client, send, submit
from mailq.errors import BadInput, Conflict, MailqError, Unavailable

SENDER = "shop@mailq.example"
LINE_BREAK = r"newlines|linefeed"  # as Django 5 and 6 say it

pytestmark = pytest.mark.usefixtures("project")


class Ended(Exception):
    """A view fails."""


@contextmanager
def a_view_that_fails():
    """What is written in it is rolled back."""
    with suppress(Ended), transaction.atomic():
        yield
        raise Ended


def a_message(to="ann@x.example", subject="Hello", **parts):
    """One, to one."""
    return EmailMessage(subject, "Dear you,\n", SENDER, [to], **parts)


def test_mail_is_there_when_the_transaction_commits_and_not_before(messages):
    """Nobody has to remember `on_commit`."""
    with transaction.atomic():
        assert send_mail("Hello", "Dear Ann,\n", SENDER, ["ann@x.example"]) == 1
        assert messages() == []

    [row] = messages()
    assert (row.address, row.lane) == ("ann@x.example", "transactional")
    assert "Subject: Hello\r\n" in row.variables["mime"]


def test_mail_of_a_transaction_that_fails_was_never_there(messages):
    """Neither the data nor the mail."""
    with a_view_that_fails():
        send_mail("Hello", "Dear Ann,\n", SENDER, ["ann@x.example"])

    assert messages() == []


def test_mail_of_an_inner_block_goes_with_that_block(messages):
    """A savepoint that is rolled back takes its mail with it."""
    with transaction.atomic():
        a_message("outer@x.example").send()
        with a_view_that_fails():
            a_message("inner@x.example").send()

    assert [row.address for row in messages()] == ["outer@x.example"]


def test_without_a_transaction_mail_is_there_at_once(messages):
    """As with any other backend."""
    a_message().send()

    assert len(messages()) == 1
    assert not connection.in_atomic_block


def test_everybody_a_message_names_gets_a_message_of_his_own(messages):
    """To, Cc and Bcc alike."""
    assert a_message(cc=["bob@x.example"], bcc=["cy@x.example"]).send() == 1

    assert [row.address for row in messages()] == ["ann@x.example", "bob@x.example", "cy@x.example"]


def test_a_list_of_messages_is_one_mailing(messages, mailings, deliveries):
    """An address may stand in several of them."""
    taken = send_mass_mail([(f"Your order {number}", "Dear you,\n", SENDER, ["ann@x.example"]) for number in (1, 2, 3)])

    [made] = mailings()
    assert (taken, made.name, made.lane, made.repeats) == (3, "Your order 1", "normal", True)
    assert made.loaded_at is not None
    assert [row.address for row in deliveries()] == ["ann@x.example"] * 3
    assert messages() == []


def test_a_message_to_very_many_is_a_mailing_too(messages, mailings, deliveries):
    """It can be watched, paused and cancelled."""
    a_message(bcc=[f"r{number}@x.example" for number in range(100)]).send()

    assert (len(messages()), len(mailings()), len(deliveries())) == (0, 1, 101)


def test_a_mailing_has_the_name_and_key_of_its_connection(mailings):
    """Handed over again it is the same one."""
    for _ in range(2):
        backend = EmailBackend()
        backend.mailing_name, backend.mailing_key = "November", "news-11"
        assert backend.send_messages([a_message("ann@x.example"), a_message("bob@x.example")]) == 2

    assert [(made.name, made.key) for made in mailings()] == [("November", "news-11")]


def test_a_message_with_a_key_of_its_own_is_sent_once(messages):
    """Also out of a list; and the key belongs to its words."""
    message = a_message()
    message.mailq_key = "welcome-7"
    other = a_message("bob@x.example")
    for _ in range(2):
        EmailBackend().send_messages([message])
    EmailBackend().send_messages([message, other])

    assert [(row.address, row.key) for row in messages()] == [("ann@x.example", "welcome-7"), ("bob@x.example", None)]
    message.subject = "Other words"
    with pytest.raises(Conflict, match="welcome-7"):
        message.send()


def test_what_is_refused_leaves_the_transaction_as_it_was(messages):
    """The view may go on, and commit."""
    with transaction.atomic():
        a_message("before@x.example").send()
        with pytest.raises(BadInput):
            a_message("ann@localhost").send()
        with pytest.raises(ValueError, match=LINE_BREAK):
            EmailBackend().send_messages([a_message("ann@x.example"), a_message(subject="Hello\nBcc: eve@evil.example")])
        a_message("after@x.example").send()

    assert [row.address for row in messages()] == ["before@x.example", "after@x.example"]


def test_fail_silently_counts_nothing_and_does_not_hide_an_injection(messages):
    """As Django's own backend has it."""
    assert EmailBackend(fail_silently=True).send_messages([a_message("ann@localhost")]) == 0
    with pytest.raises(ValueError, match=LINE_BREAK):
        EmailBackend(fail_silently=True).send_messages([a_message(subject="Hello\nBcc: eve@evil.example")])

    assert messages() == []


def test_nobody_addressed_is_nothing_sent(messages, mailings):
    """And no empty mailing."""
    nobody = EmailMessage("Hello", "Dear nobody,\n", SENDER, [])

    assert EmailBackend().send_messages([]) == EmailBackend().send_messages([nobody]) == 0
    assert messages() == mailings() == []


def test_a_connection_may_be_opened_and_closed_as_any_other(messages):
    """There is nothing to open: the connection is Django's."""
    with EmailBackend() as backend:
        backend.send_messages([a_message()])
        backend.send_messages([a_message("bob@x.example")])

    assert len(messages()) == 2


def test_with_a_door_elsewhere_mail_waits_for_the_commit(messages, database_url):
    """`on_commit` is Django's own; what is rolled back is never handed over."""
    backend = EmailBackend(database=database_url)
    with transaction.atomic():
        assert backend.send_messages([a_message()]) == 1
        assert messages() == []
    assert len(messages()) == 1

    with a_view_that_fails():
        backend.send_messages([a_message(), a_message()])
    assert len(messages()) == 1


def test_with_a_door_elsewhere_mail_may_go_whatever_becomes_of_the_transaction(messages, database_url):
    """A warning of a failed login, for one."""
    with a_view_that_fails():
        EmailBackend(database=database_url, on_commit=False).send_messages([a_message()])

    assert len(messages()) == 1


def test_an_asynchronous_view_sends_in_a_thread(messages):
    """Django refuses its database in an event loop, and so this mail."""
    words = ("Hello", "Dear Ann,\n", SENDER, ["ann@x.example"])

    async def view():
        with pytest.raises(SynchronousOnlyOperation):
            send_mail(*words)
        return await sync_to_async(send_mail)(*words)

    assert async_to_sync(view)() == 1
    assert [row.address for row in messages()] == ["ann@x.example"]


def test_that_cannot_be_with_a_database_of_djangos(messages):
    """It is said when the mailer is made."""
    with pytest.raises(ImproperlyConfigured, match="on_commit=False"):
        EmailBackend(on_commit=False)


def test_a_door_that_does_not_answer_is_an_error_or_silence():
    """Nothing is known of the mail then."""
    nowhere = "postgresql://nobody:secret@127.0.0.1:1/mailq"

    with pytest.raises(Unavailable) as unavailable:
        EmailBackend(database=nowhere).send_messages([a_message()])
    assert "secret" not in str(unavailable.value)
    assert EmailBackend(database=nowhere, fail_silently=True).send_messages([a_message()]) == 0


def test_a_database_without_mailqs_tables_is_said_to_be_one(databases):
    """In words, and Django's transaction goes on."""
    from tests.support.django_project import pointed_at

    empty = databases.create_empty()
    with pointed_at(empty), transaction.atomic():
        with pytest.raises(MailqError, match="mailqctl db upgrade"):
            a_message().send()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    databases.drop(empty)


def test_the_client_is_at_hand_in_the_same_transaction(messages, mailings, deliveries):
    """A newsletter is one content with variables, not a list of messages."""
    news = Mailing("News", "News for {{ name }}", SENDER, "Dear {{ name }},\n")
    recipients = [{"address": f"r{number}@x.example", "variables": {"name": str(number)}} for number in range(3)]
    with a_view_that_fails():
        send(Message("ann@x.example", "Hello", SENDER, "Dear Ann,\n"))
        submit(news, recipients)
    assert messages() == mailings() == []

    taken = submit(news, iter(recipients))

    with client() as mailq:
        assert mailq.progress(taken.id).num_profiles == taken.num_profiles == len(deliveries()) == 3


def test_django_knows_the_mailer_by_its_setting():
    """Whichever of the two this version has."""
    made = mail.mailers["default"] if hasattr(mail, "mailers") else mail.get_connection()

    assert isinstance(made, EmailBackend)


@pytest.mark.parametrize("options", [{"lane": "express"}, {"doubt_policy": "forget"}, {"database": "mysql://x"}])
def test_an_option_that_cannot_be_is_refused_when_the_mailer_is_made(options):
    """Before the first mail."""
    with pytest.raises(ImproperlyConfigured):
        EmailBackend(**options)


@override_settings(MAILQ={"DATABASE": "default", "ORGANIZATION": "nobody"})
def test_an_organization_that_is_not_there_is_named():
    """`mailqctl organization create` makes one."""
    with pytest.raises(MailqError, match="nobody"):
        a_message().send()


def test_what_no_view_handles_is_answered_with_its_status(messages):
    """422 and a sentence for bad input; 503 that names nothing while mailq cannot be reached."""
    browser = Browser()
    assert browser.get("/hello/", {"to": "ann@x.example"}).status_code == 200
    refused = browser.get("/hello/", {"to": "nobody"})
    assert (refused.status_code, refused["Content-Type"]) == (422, "text/plain")
    assert refused.content
    with override_settings(MAILQ={"DATABASE": "postgresql://nobody:secret@127.0.0.1:1/mailq"}):
        away = browser.get("/hello/", {"to": "ann@x.example"})

    assert (away.status_code, away["Retry-After"]) == (503, "5")
    assert b"127.0.0.1" not in away.content
    assert len(messages()) == 1


def test_an_error_that_is_not_mailqs_stays_what_it_is():
    """The middleware answers its own alone."""
    with pytest.raises(KeyError):
        Browser().get("/hello/")
