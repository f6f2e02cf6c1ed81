"""Values as JSON that PostgreSQL's jsonb can hold."""

import json
import re
from typing import Any

_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class NotPlain(ValueError):
    """A value that JSON or jsonb cannot hold; the text is the reason, to stand behind what it is about."""


def to_json(value: object) -> str:
    """The value as JSON, its characters as they are.

    Raises:
        NotPlain: it holds what is neither text, number, truth, list nor mapping, or a character that jsonb does not take.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except TypeError as error:
        raise NotPlain(f"are not plain values: {error}") from None
    except RecursionError:
        raise NotPlain("are nested too deeply") from None
    except ValueError as error:
        raise NotPlain(f"are not plain values: {error}") from None
    require_storable(text)
    return text


def require_storable(text: str) -> None:
    """Refuse JSON that jsonb does not take.

    Raises:
        NotPlain: it holds such a character.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NotPlain("contain half a character (a lone surrogate)") from None
    if "\\u0000" in text and _NUL.search(text):
        raise NotPlain("contain the character U+0000")


def as_stored(text: str) -> Any:
    """What comes back out of the database."""
    return json.loads(text)
