"""The kinds of objects that calls are about. A further kind adds a module that makes its `Kind`, and a name here; nothing else."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from mailq.core.call import Method
from mailq.engine.calls.kind import Kind
from mailq.errors import BadInput

_ALL: tuple[Kind, ...] = ()

KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _ALL})
"""By their `type`."""


def require(method: Method, given: Mapping[str, Any], where: str) -> None:
    """Refuse an object that no method of ours is for.

    Args:
        where: JSON pointer to the object.

    Raises:
        BadInput: its kind is unknown, or knows no such method, or its shape is at fault.
    """
    kind = KINDS.get(str(given.get("type")))
    if kind is None:
        there = ", ".join(sorted(KINDS))
        raise BadInput(f"type: there is no object `{given.get('type')}` in this version; there is {there}", field=f"{where}/type")
    if method not in kind.deeds:
        raise BadInput(f"method: a {kind.name} knows {_listed(kind)}, and no {method}", field=f"{where}/type")
    try:
        kind.check(method, given)
    except BadInput as error:
        raise BadInput(str(error), field=where + (error.field or "")) from None


def _listed(kind: Kind) -> str:
    return " and ".join(sorted(kind.deeds))
