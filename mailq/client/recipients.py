"""Recipients as producers write them."""

from collections.abc import Mapping
from typing import Any

from mailq.client.values import Recipient
from mailq.errors import BadInput

_FIELD = "recipients"
_KNOWN = {"address", "variables"}


def read_recipient(place: int, given: object) -> Recipient:
    """The recipient that was given as a value, a bare address, or a mapping of `address` and `variables`.

    Whether the address is one, and the variables are plain, is found out where they are written down.

    Args:
        place: among all recipients, from 1.

    Raises:
        BadInput: it has another shape.
    """
    match given:
        case Recipient(address, variables):
            pass
        case str(address):
            variables = {}
        case Mapping():
            address, variables = _parts(place, given)
        case _:
            raise BadInput(f"recipient {place} is {type(given).__name__}: give an address, or a Recipient", field=_FIELD)
    if not isinstance(address, str):
        raise BadInput(f"recipient {place}: the address is {type(address).__name__}, not text", field=_FIELD)
    if not isinstance(variables, Mapping) or not all(isinstance(name, str) for name in variables):
        raise BadInput(f"recipient {place}: the variables must be names with their values", field=_FIELD)
    return Recipient(address, variables)


def _parts(place: int, given: Mapping[Any, Any]) -> tuple[Any, Any]:
    unknown = [str(name) for name in given if name not in _KNOWN]
    if unknown:
        raise BadInput(f"recipient {place}: `{unknown[0]}` is neither `address` nor `variables`", field=_FIELD)
    if "address" not in given:
        raise BadInput(f"recipient {place} has no `address`", field=_FIELD)
    return given["address"], given.get("variables") or {}
