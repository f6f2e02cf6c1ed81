"""What may go into a spool, and how it is told there: the same words, under a key that it had before the API was asked."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from mailq.client.http.requests import made_up_key
from mailq.client.outbox_door import OutboxDoor
from mailq.client.values import Accepted, Email, Mailing, Message, Submitted

_Keyed = TypeVar("_Keyed", bound=Message | Email | Mailing)
_Taken = TypeVar("_Taken", Accepted, Submitted)


def keyed(one: _Keyed) -> _Keyed:
    """Of a key, its own or one that is made up: an answer that was lost, and the spool, double nothing."""
    return one if one.key is not None else replace(one, key=made_up_key())


def ours(taken: _Taken, asked: Message | Email | Mailing) -> _Taken:
    """What was taken under a key that was made up is our own, though we may have had to ask twice."""
    return taken if asked.key is not None else replace(taken, created=True)


def send(door: OutboxDoor, messages: Sequence[Message | Email]) -> list[Accepted]:
    """Write messages into a spool."""
    return [replace(each, spooled=True) for each in door.send(messages)]


def submit(door: OutboxDoor, mailing: Mailing, recipients: Iterable[Any]) -> Submitted:
    """Write a mailing into a spool."""
    return replace(door.submit(mailing, recipients), spooled=True)


def comes_again(recipients: object) -> bool:
    """Whether recipients can be read a second time. A generator cannot: what the API was told of it is gone."""
    return isinstance(recipients, Iterable) and iter(recipients) is not recipients
