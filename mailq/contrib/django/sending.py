"""The client of a Django project: with a database of Django's own, in the transaction that surrounds the call."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.db import connections, transaction

from mailq.client import Accepted, Client, Mailing, Message, Submitted
from mailq.client.doors import GivenRecipient
from mailq.client.outbox import Outbox
from mailq.contrib import kept
from mailq.contrib.django.configuration import Configuration, configured


@contextmanager
def client(configuration: Configuration | None = None) -> Iterator[Client]:
    """The client, for the time of a `with`.

    If mailq or its outbox is in one of Django's databases, all that happens in it commits with the surrounding `atomic`.
    """
    chosen = configuration or configured()
    if chosen.entrance is not None:
        yield kept.client(chosen.entrance)
        return
    with transaction.atomic(using=chosen.alias):
        connection = connections[chosen.alias].connection
        if chosen.by_outbox:
            yield Client(Outbox(connection))
        else:
            yield Client(connection, organization=chosen.organization, schema=chosen.schema)


def send(message: Message) -> Accepted:
    """Send one message to one recipient; see `Client.send`."""
    with client() as mailq:
        return mailq.send(message)


def submit(mailing: Mailing, recipients: Iterable[GivenRecipient]) -> Submitted:
    """Make a mailing with all its recipients; see `Client.submit`. A queryset's iterator needs no memory."""
    with client() as mailq:
        return mailq.submit(mailing, recipients)
