"""What a kind of object is: the deeds that can be done with it, what may be said of it, and what a deed needs and comes to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from mailq.core.call import Method
from mailq.core.mailing import DoubtPolicy
from mailq.engine.calls.fields import NAME, Choice, Field, Record


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
"""Refuses what an object's record cannot tell to be at fault, before it is accepted. Raises BadInput with a pointer below the object."""


def nothing_more(_method: Method, _given: Mapping[str, Any]) -> None:
    """The check of a kind whose records say it all."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object.

    Attributes:
        name: its `type`.
        help: what it is, for its documents.
        deeds: what can be done with it.
        records: what may be said of it, by method.
        check: what else may be at fault; see `Check`.
        guarded: the methods that are for administrators: what they undo, others have a right to.
    """

    name: str
    help: str
    deeds: Mapping[Method, Deed]
    records: Mapping[Method, Record]
    check: Check = nothing_more
    guarded: frozenset[Method] = frozenset()


def common(name: str, *, customer_key: str, keyed: bool = True) -> dict[str, Field]:
    """The fields of every object.

    Args:
        name: of its kind.
        customer_key: what its key is for.
        keyed: whether it must have one.
    """
    return {
        "type": Field(Choice((name,)), "what it is", required=True, examples=(name,)),
        "customer_key": Field(NAME, customer_key, required=keyed, nullable=not keyed),
        "correlation_id": Field(
            NAME, "your own name for it within this call; given back with its result", nullable=True, examples=("1",)
        ),
    }


COMMON = frozenset({"type", "customer_key", "correlation_id"})
"""What every object may say."""
