"""What a kind of object is: the deeds that can be done with it, and what they need and come to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from mailq.core.call import Method
from mailq.core.mailing import DoubtPolicy


@dataclass(frozen=True, slots=True)
class Means:
    """What a deed is done with, beside its transaction.

    Attributes:
        batch_size, doubt_policy: of mailings and messages that say none, as the settings have them.
    """

    organization_id: int
    batch_size: int = 1000
    doubt_policy: DoubtPolicy = DoubtPolicy.HOLD


@dataclass(frozen=True, slots=True)
class Done:
    """What a deed came to.

    Attributes:
        message: one sentence for the producer.
        object_id: the public id of what was made or changed, where it has one.
        details: plain JSON.
    """

    message: str
    object_id: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


Deed = Callable[[Connection, Means, Mapping[str, Any]], Done]
"""Does what a method says to one object, within the caller's transaction. Raises MailqError (BadInput with a pointer below the object,
such as `/address`; NotFound; Conflict) and has then done nothing that counts: it runs in a savepoint. `Unavailable` ends the run."""

Check = Callable[[Method, Mapping[str, Any]], None]
"""Refuses an object whose shape is at fault, before it is accepted. Raises BadInput with a pointer below the object."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object.

    Attributes:
        name: its `type`.
        deeds: what can be done with it.
        check: see `Check`.
    """

    name: str
    deeds: Mapping[Method, Deed]
    check: Check


COMMON = frozenset({"type", "customer_key", "correlation_id"})
"""What every object may say."""
