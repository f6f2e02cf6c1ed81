"""A stand-in for what may fail after the mail was written."""


class Declined(Exception):
    """The card is not good."""


def charge(card: str) -> None:
    """Take the fee."""
    if card == "declined":
        raise Declined
