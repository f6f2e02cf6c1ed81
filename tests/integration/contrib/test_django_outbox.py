"""A project on another database than PostgreSQL: its mail is written into an outbox, in its own transaction."""

import pytest
from django.core.mail import EmailMessage
from django.db import connections, transaction
from django.test.utils import override_settings
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from mailq.contrib.django import EmailBackend
from mailq.contrib.django.configuration import configured
from mailq.contrib.django.reaching import why_not
from mailq.store.outbox import outbox


@pytest.fixture(autouse=True)
def _setting():
    with override_settings(MAILQ={"OUTBOX": "other"}):
        yield
    connections["other"].close()


@pytest.fixture
def table(_setting):
    """The outbox, and what is committed in it."""
    with connections["other"].cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {outbox.name}")
        cursor.execute(str(CreateTable(outbox).compile(dialect=sqlite.dialect())))

    def kinds():
        with connections["other"].cursor() as cursor:
            cursor.execute(f"SELECT kind FROM {outbox.name} ORDER BY id")
            return [kind for (kind,) in cursor.fetchall()]

    yield kinds
    with connections["other"].cursor() as cursor:
        cursor.execute(f"DROP TABLE {outbox.name}")


def a_message(to="ann@x.example"):
    """One, to one."""
    return EmailMessage("Hello", "Dear you,\n", "shop@mailq.example", [to])


def test_mail_is_written_with_the_data_or_not_at_all(table):
    """On SQLite, which has no other way to mailq."""
    with transaction.atomic(using="other"):
        a_message().send()
        transaction.set_rollback(True, using="other")
    assert table() == []

    with transaction.atomic(using="other"):
        a_message().send()
    EmailBackend().send_messages([a_message(), a_message("bob@x.example")])
    assert table()[0] == "email"
    assert "ready_mailing" in table()


def test_the_check_looks_for_the_table(table):
    """There is nothing else to be reached."""
    assert why_not(configured()) is None


def test_a_missing_table_is_said():
    """`mailqctl outbox create` makes it."""
    assert "mailq_outbox" in str(why_not(configured()))
