"""Which column holds the address, and which headers we refuse."""

from collections import Counter
from collections.abc import Sequence

from mailq.errors import BadInput

ADDRESS_NAMES = ("email", "address", "e-mail", "mail", "email_address")
"""The names an address column goes by, in order of preference and in any case."""


def address_column(names: Sequence[str], chosen: str | None = None) -> str | None:
    """The name, as the file spells it, of the column with the address; None if there is none.

    Args:
        chosen: the one the user named; nothing else will do then. Case counts only where two differ by nothing else.
    """
    if chosen is not None and chosen in names:
        return chosen
    folded = {name.casefold(): name for name in reversed(names)}
    wanted = ADDRESS_NAMES if chosen is None else (chosen.strip().casefold(),)
    return next((folded[name] for name in wanted if name in folded), None)


def require_address_column(names: Sequence[str], chosen: str | None, where: str) -> str:
    """The name of the column with the address.

    Raises:
        BadInput: there is none.
    """
    found = address_column(names, chosen)
    if found is not None:
        return found
    has = ", ".join(f"`{name}`" for name in names[:20]) or "nothing"
    if chosen is not None:
        raise BadInput(f"{where} has no column `{chosen}`; it has {has}")
    known = ", ".join(f"`{name}`" for name in ADDRESS_NAMES)
    raise BadInput(f"{where} has no address column: none of {known} among {has}; name yours with --address-column")


def check_header(names: Sequence[str], where: str) -> None:
    """Refuse a header that leaves open which column a value belongs to.

    Raises:
        BadInput: two columns share a name, or one has none.
    """
    nameless = [str(place) for place, name in enumerate(names, start=1) if not name]
    if nameless:
        raise BadInput(f"{where}: column {', '.join(nameless)} has no name in the header; name every column")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise BadInput(
            f"{where}: the header names {', '.join(f'`{name}`' for name in twice)} more than once; rename or remove one"
        )
