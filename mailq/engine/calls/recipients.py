"""Recipients as objects name them: by address, or as a subscriber."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from mailq.core.address import normalise
from mailq.engine.calls import fields
from mailq.engine.calls.fields import ANY_ADDRESS, NAME, Address, Field, Many, Variables, unique
from mailq.engine.intake.record import Part, Record, in_lists

ADDRESS = "address"
MOST = 5000
"""Of one object; more are put in by further ones."""

VARIABLES = Variables(reserved=frozenset({ADDRESS}))
"""What templates may say of somebody. `address` they know already."""

_VARIABLES = Field(VARIABLES, "what templates may say of this recipient", examples=({"name": "Ann"},))
_SUBSCRIBER = Field(NAME, "the subscriber's `customer_key`", examples=("customer-4711",))

OF_MAILING = Many(
    fields.Record(
        {
            ADDRESS: Field(ANY_ADDRESS, "who; one that is no address is counted, and gets no mail", required=True),
            "variables": _VARIABLES,
        },
        "A recipient of this mailing.",
    ),
    MOST,
)
OF_LIST = Many(
    fields.Record(
        {ADDRESS: Field(Address(), "who, if it is no subscriber"), "subscriber": _SUBSCRIBER, "variables": _VARIABLES},
        "Who is on the list: an address, or a subscriber, whose address and attributes they are at the time of a mailing.",
        one_of=(ADDRESS, "subscriber"),
    ),
    MOST,
)
NAMED = Many(
    fields.Record(
        {ADDRESS: Field(Address(), "who, if it is no subscriber"), "subscriber": _SUBSCRIBER},
        "Who is taken off.",
        one_of=(ADDRESS, "subscriber"),
    ),
    MOST,
)


class Named:
    """Recipients that an object names, for a mailing to be filled with.

    Attributes:
        columns: the names that a template may use.
    """

    where = "the object"

    def __init__(self, given: Sequence[Mapping[str, Any]]) -> None:
        self._given = given
        self.columns = frozenset(chain.from_iterable(each.get("variables", ()) for each in given))

    def parts(self) -> Iterator[Part]:
        """See `Filling`."""
        return in_lists(
            Record(place, each[ADDRESS], dict(each.get("variables", {}))) for place, each in enumerate(self._given, start=1)
        )


def require_each_once(given: Sequence[Mapping[str, Any]], where: str) -> None:
    """Refuse a list that names somebody twice.

    Raises:
        BadInput: with the pointer of the second.
    """
    unique(_named(each, f"{where}/{place}") for place, each in enumerate(given))


def _named(given: Mapping[str, Any], where: str) -> tuple[str, str]:
    if ADDRESS in given:
        return f"address {normalise(given[ADDRESS]).key}", f"{where}/{ADDRESS}"
    return f"subscriber {given['subscriber']}", f"{where}/subscriber"
