"""The kinds of objects that calls are about. A further kind adds a module that makes its `Kind`, and a name here; nothing else."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from mailq.core.call import Method
from mailq.engine.calls import mailings, messages, recipient_lists, subscribers, suppressions
from mailq.engine.calls.kind import Kind
from mailq.engine.calls.plain import step
from mailq.errors import BadInput

_ALL: tuple[Kind, ...] = (mailings.KIND, recipient_lists.KIND, messages.KIND, subscribers.KIND, suppressions.KIND)

KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _ALL})
"""By their `type`."""


def require(method: Method, given: Mapping[str, Any], where: str) -> None:
    """Refuse an object that no method of ours is for.

    Args:
        where: JSON pointer to the object.

    Raises:
        BadInput: its kind is unknown, or knows no such method, or its shape is at fault.
    """
    said = given.get("type")
    kind = KINDS.get(said) if isinstance(said, str) else None
    if kind is None:
        there = ", ".join(sorted(KINDS))
        what = "is missing" if said is None else f"there is no object `{step(said)}` in this version"
        raise BadInput(f"type: {what}; there is {there}", field=f"{where}/type")
    if method not in kind.deeds:
        raise BadInput(f"method: a {kind.name} knows {_listed(kind)}, and no {method}", field=f"{where}/type")
    try:
        kind.records[method].require(given)
        kind.check(method, given)
    except BadInput as error:
        raise BadInput(str(error), field=where + (error.field or "")) from None


def is_guarded(method: Method, given: Mapping[str, Any]) -> bool:
    """Whether what is to be done with an object, which was accepted, is for administrators alone."""
    kind = KINDS.get(str(given.get("type")))
    return kind is not None and method in kind.guarded


def _listed(kind: Kind) -> str:
    return " and ".join(sorted(kind.deeds))
