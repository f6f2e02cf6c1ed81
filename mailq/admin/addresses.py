"""Addresses that people type, in the form they are kept in."""

from mailq.core.address import InvalidAddress, normalise
from mailq.errors import BadInput


def key_of(address: str) -> str:
    """What two spellings of a mailbox have in common.

    Raises:
        BadInput: it is no address (field `address`).
    """
    try:
        return normalise(address).key
    except InvalidAddress as error:
        raise BadInput(f"`{address[:80]}` is no address: {error.reason}", field="address") from None
