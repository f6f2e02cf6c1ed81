"""Values that JSON and jsonb can hold, and that come out of the database again. What is none is named by a JSON pointer."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from mailq.core.plain_json import NotPlain, to_json
from mailq.errors import BadInput

MOST_LEVELS = 100
"""Of lists and mappings within each other."""

_LARGEST = 10**300
_MANY_DIGITS = re.compile(r"\d{300}|e\+(?:29\d|3\d\d)")
"""PostgreSQL writes them all out, and so a float comes back as an integer."""
_LONGEST_STEP = 100
_CONTAINERS = (Mapping, list, tuple)


def refusal(where: str, what: str) -> BadInput:
    """The error that says what is at fault. It names the field by the last step of its pointer."""
    above, _, name = where.rpartition("/")
    if name.isdigit():
        name = f"{above.rpartition('/')[2]}/{name}"
    return BadInput(f"{name or 'the object'}: {what}", field=where)


def step(name: object) -> str:
    """A name as a step of a JSON pointer (RFC 6901), fit to be shown."""
    shown = (name if isinstance(name, str) else type(name).__name__)[:_LONGEST_STEP].replace("~", "~0").replace("/", "~1")
    return shown if shown.isprintable() else json.dumps(shown)[1:-1]


def require_plain(value: Mapping[str, Any], where: str, *, most_bytes: int) -> None:
    """Refuse a mapping that holds what cannot be kept, or too much.

    Raises:
        BadInput: it does.
    """
    # json looks at all of it in no time; only what it does not like, or cannot judge, is looked at piece by piece.
    try:
        text = to_json(value)
    except NotPlain as error:
        _require_each_plain(value, where)
        raise refusal(where, str(error)) from None
    if len(text.encode()) > most_bytes:
        raise refusal(where, f"is larger than {most_bytes:,} bytes as JSON")
    if _MANY_DIGITS.search(text) or any(isinstance(each, _CONTAINERS) for each in value.values()):
        _require_each_plain(value, where)


def require_names(value: Any, where: str, most: int) -> None:
    """Refuse what is no mapping of names, or has too many.

    Raises:
        BadInput: it is such.
    """
    if not isinstance(value, Mapping):
        raise refusal(where, "must be an object of names with their values")
    if len(value) > most:
        raise refusal(where, f"has more than {most:,} names")
    for name in value:
        if not isinstance(name, str):
            raise refusal(f"{where}/{step(name)}", "is no text, as names are")
        if (fault := unstorable(name)) is not None:
            raise refusal(f"{where}/{step(name)}", fault)


def _require_each_plain(value: Any, where: str) -> None:
    """Look for what JSON or jsonb cannot hold, a level after the other."""
    level = [(value, where)]
    for _ in range(MOST_LEVELS + 1):
        below: list[tuple[Any, str]] = []
        for each, place in level:
            if isinstance(each, Mapping):
                require_names(each, place, len(each))
                below += [(member, f"{place}/{step(name)}") for name, member in each.items()]
            elif isinstance(each, list | tuple):
                below += [(member, f"{place}/{number}") for number, member in enumerate(each)]
            elif (fault := _unplain(each)) is not None:
                raise refusal(place, fault)
        level = below
    # The way to it would be as long as it is deep.
    if level:
        raise refusal(where, f"is nested in more than {MOST_LEVELS} levels")


def _unplain(value: object) -> str | None:
    for kind, judge in _JUDGES:
        if isinstance(value, kind):
            return judge(value)
    return f"is nothing that JSON can hold ({type(value).__name__})"


def unstorable(value: str) -> str | None:
    """What of a text the database cannot hold; None if it can."""
    if "\0" in value:
        return "contains the character U+0000"
    if value.isascii():
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        return "contains half a character (a lone surrogate)"
    return None


_JUDGES: tuple[tuple[type | tuple[type, ...], Callable[[Any], str | None]], ...] = (
    (str, unstorable),
    ((bool, type(None)), lambda _: None),
    (int, lambda value: None if -_LARGEST < value < _LARGEST else "is too large a number"),
    (float, lambda value: None if abs(value) < _LARGEST else "is too large a number, or none"),
)
