"""What producers say as plain JSON values by name, and back."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, TypeVar

from mailq.client.values import Email, Mailing, Message, ReadyMailing

Said = TypeVar("Said")


def plain(value: Mailing | ReadyMailing | Message | Email) -> dict[str, Any]:
    """What is set of it, by its names. Of an e-mail the message itself is as it was."""
    found = {each.name: getattr(value, each.name) for each in fields(value)}
    return {name: _plain(given) for name, given in found.items() if given is not None}


def said(kind: Callable[..., Said], mapping: Mapping[str, Any]) -> Said:
    """The value of which `plain` made a mapping.

    Raises:
        TypeError, ValueError: it was not made by it.
    """
    return kind(**{name: datetime.fromisoformat(given) if name.endswith("_at") else given for name, given in mapping.items()})


def _plain(given: Any) -> Any:
    match given:
        case datetime():
            return given.isoformat()
        case Mapping():
            return dict(given)
        case _:
            return given
