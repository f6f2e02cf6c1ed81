"""A recipient of a mailing, as people name one."""

from typing import Any

import click

_LARGEST_SEQ = 2**31 - 1


class Recipient(click.ParamType[int | str]):
    """An address, or the recipient's number (`seq`) within its mailing."""

    name = "ADDRESS|SEQ"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Read it."""
        try:
            return value if isinstance(value, int) else read(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def read(text: str) -> int | str:
    """Digits are a seq; what has an @ is an address.

    Raises:
        ValueError: it is neither; with the reason as a sentence.
    """
    word = text.strip()
    if word.isascii() and word.isdigit() and 0 < int(word[:20]) <= _LARGEST_SEQ:
        return int(word)
    if "@" in word and word.isprintable():
        return word
    raise ValueError(f"{text[:100]!r} is neither an address nor the number of a recipient")
