"""A Django project on this test's database, and what stands in mailq's books then."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Row, select

from mailq.store.database import Database
from mailq.store.tables import delivery, inbox, mailing
from tests.support import django_project

# Before the tests are read: they import models.
django_project.configure()

Rows = Callable[[], list[Row[Any]]]


@pytest.fixture
def project(database_url: str) -> Iterator[None]:
    """A Django project whose default database is this test's, with mailq's tables and none of Django's."""
    with django_project.pointed_at(database_url):
        yield


@pytest.fixture
def messages(database: Database) -> Rows:
    """Single messages that were committed, in their order."""
    return lambda: _rows(database, select(inbox).order_by(inbox.c.id))


@pytest.fixture
def mailings(database: Database) -> Rows:
    """Mailings that were committed, in their order."""
    return lambda: _rows(database, select(mailing).order_by(mailing.c.id))


@pytest.fixture
def deliveries(database: Database) -> Rows:
    """What is in them."""
    return lambda: _rows(database, select(delivery).order_by(delivery.c.mailing_id, delivery.c.seq))


def _rows(database: Database, statement: Any) -> list[Row[Any]]:
    with database.begin() as tx:
        return list(tx.execute(statement).all())
