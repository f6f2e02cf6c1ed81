"""The values of one recipient, as the parts of the message ask for them: as text, encoded, or as Jinja2 sees them.

Each is made when a part first asks for it, and once for all parts: most messages are spliced and need neither the functions of
Jinja2 nor a clock, and the text and the HTML of a letter mostly print the same values.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mailq.core.message.sandbox import Limits, Meter
from mailq.core.message.segments import Pieces, encoded

_PRINTED = frozenset({str, int, float, bool})
_TEXT = {str}
_ESCAPED = re.compile("[&<>'\"]")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the templates of a mailing are rendered with, whoever the recipient.

    Attributes:
        functions: Jinja2's (`range`, `dict`, …), which a variable may hide.
        clock: monotonic seconds, by which rendering is kept within `limits.time`.
    """

    functions: Mapping[str, Any]
    limits: Limits
    clock: Callable[[], float]


class Values:
    """The values of one recipient.

    Attributes:
        address: the recipient's.
        named: the variables by name, with those that every recipient has.
    """

    __slots__ = ("_meter", "_pieces", "_surroundings", "_texts", "address", "named")

    def __init__(self, address: str, variables: Mapping[str, Any], surroundings: Surroundings) -> None:
        self.address = address
        self.named = {"email": address, **variables, "address": address}
        self._surroundings = surroundings
        self._texts: dict[tuple[str, ...], list[str] | None] = {}
        self._pieces: dict[tuple[tuple[str, ...], bool], Pieces | None] = {}
        self._meter: Meter | None = None

    def context(self) -> dict[str, Any]:
        """The variables as Jinja2 sees them."""
        return {**self._surroundings.functions, **self.named}

    @property
    def meter(self) -> Meter:
        """What keeps the time of this message. It runs from when Jinja2 is first needed."""
        if self._meter is None:
            self._meter = Meter(self._surroundings.clock, self._surroundings.limits.time)
        return self._meter

    def texts(self, names: tuple[str, ...]) -> list[str] | None:
        """These values as text, not escaped; None if one is missing or not simply printed."""
        if names not in self._texts:
            self._texts[names] = self._printed(names)
        return self._texts[names]

    def pieces(self, names: tuple[str, ...], *, escaped: bool) -> Pieces | None:
        """These values as `segments` puts them into a quoted-printable frame; None if they are not to be judged alone.

        Args:
            escaped: they go into HTML.
        """
        texts = self.texts(names)
        if texts is None:
            return None
        wanted = (names, escaped and _ESCAPED.search("".join(texts)) is not None)
        if wanted not in self._pieces:
            self._pieces[wanted] = encoded(texts, escaped=wanted[1])
        return self._pieces[wanted]

    def _printed(self, names: tuple[str, ...]) -> list[str] | None:
        named = self.named
        try:
            values = [named[name] for name in names]
            kinds = set(map(type, values))
            if kinds == _TEXT:
                return values
            return list(map(str, values)) if kinds <= _PRINTED else None
        except (KeyError, ValueError):  # an integer may be too long for Python to print
            return None
