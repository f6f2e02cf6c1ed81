"""The fields of objects, declared: what an object is checked against when its call is accepted is what the documents say of it.

Nothing unknown is taken, and no value is converted. Whatever is at fault is named by a JSON pointer below the object.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol

from mailq.core.address import InvalidAddress, normalise
from mailq.engine.calls.plain import refusal, require_names, require_plain, step, unstorable
from mailq.errors import BadInput

_PRESENT = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)

Schema = dict[str, Any]


class Shape(Protocol):
    """What a value has to be."""

    def require(self, value: Any, where: str) -> None:
        """Refuse another value.

        Args:
            where: its JSON pointer.

        Raises:
            BadInput: it is another one.
        """

    def schema(self) -> Schema:
        """The same as JSON Schema (2020-12)."""


@dataclass(frozen=True, slots=True)
class Text:
    """Text that the database can hold.

    Attributes:
        on_one_line: of printable characters alone, and not of blanks alone.
    """

    most: int
    least: int = 0
    on_one_line: bool = False

    def require(self, value: Any, where: str) -> None:
        """See `Shape`."""
        if not isinstance(value, str):
            raise refusal(where, "must be text")
        if not self.least <= len(value) <= self.most:
            raise refusal(where, f"must have {_between(self.least, self.most)} characters; it has {len(value):,}")
        if self.on_one_line and not (value.isprintable() and (value.strip() or not self.least)):
            raise refusal(where, "must be printable characters on one line")
        if (fault := unstorable(value)) is not None:
            raise refusal(where, fault)

    def schema(self) -> Schema:
        """See `Shape`."""
        return {"type": "string"} | ({"minLength": self.least} if self.least else {}) | {"maxLength": self.most}


@dataclass(frozen=True, slots=True)
class Address:
    """An address that mail can be sent to."""

    def require(self, value: Any, where: str) -> None:
        """See `Shape`."""
        ANY_ADDRESS.require(value, where)
        try:
            normalise(value)
        except InvalidAddress as error:
            raise refusal(where, error.reason) from None

    def schema(self) -> Schema:
        """See `Shape`."""
        return ANY_ADDRESS.schema()


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    def require(self, value: Any, where: str) -> None:
        """See `Shape`."""
        if not isinstance(value, bool):
            raise refusal(where, "must be true or false")

    def schema(self) -> Schema:
        """See `Shape`."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Moment:
    """A time with its zone, of this age."""

    def require(self, value: Any, where: str) -> None:
        """See `Shape`."""
        found = None
        if isinstance(value, str) and value.isascii():
            try:
                found = datetime.fromisoformat(value)
            except ValueError:
                found = None
        if found is None or found.tzinfo is None:
            raise refusal(where, "must be a time with its zone, such as 2026-12-24T18:00:00+01:00")
        if not _PRESENT[0] <= found < _PRESENT[1]:
            raise refusal(where, "is not between the years 2000 and 2200")

    def schema(self) -> Schema:
        """See `Shape`."""
        return {"type": "string", "format": "date-time"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words."""

    words: type[StrEnum] | tuple[str, ...]

    def require(self, value: Any, where: str) -> None:
        """See `Shape`."""
        if not (isinstance(value, str) and value in tuple(self.words)):
            raise refusal(where, f"must be one of {', '.join(self.words)}")

    def schema(self) -> Schema:
        """See `Shape`."""
        return {"type": "string", "enum": [str(word) for word in self.words]}


@dataclass(frozen=True, slots=True)
class Words:
    """Names with a text each, such as headers."""

    value: Text
    most: int

    def require(self, value: Any, where: str) -> None:
        """See `Shape`."""
        require_names(value, where, self.most)
        for name, each in value.items():
            self.value.require(each, f"{where}/{step(name)}")

    def schema(self) -> Schema:
        """See `Shape`."""
        return {"type": "object", "additionalProperties": self.value.schema(), "maxProperties": self.most}


@dataclass(frozen=True, slots=True)
class Variables:
    """Names with whatever JSON can hold: what templates may say.

    Attributes:
        reserved: names that are none of the producer's to give.
    """

    most: int = 1000
    most_bytes: int = 1_000_000
    reserved: frozenset[str] = frozenset()

    def require(self, value: Any, where: str) -> None:
        """See `Shape`."""
        require_names(value, where, self.most)
        if not self.reserved.isdisjoint(value):
            name = next(name for name in value if name in self.reserved)
            raise refusal(f"{where}/{step(name)}", "is no name to be given: it is the recipient's address")
        require_plain(value, where, most_bytes=self.most_bytes)

    def schema(self) -> Schema:
        """See `Shape`."""
        return {"type": "object", "additionalProperties": True, "maxProperties": self.most}


@dataclass(frozen=True, slots=True)
class Many:
    """A list."""

    each: Shape
    most: int
    least: int = 1

    def require(self, value: Any, where: str) -> None:
        """See `Shape`."""
        if not isinstance(value, list | tuple):
            raise refusal(where, "must be a list")
        if not self.least <= len(value) <= self.most:
            raise refusal(where, f"must have {_between(self.least, self.most)} members; it has {len(value):,}")
        require = self.each.require
        for place, each in enumerate(value):
            require(each, f"{where}/{place}")

    def schema(self) -> Schema:
        """See `Shape`."""
        return {"type": "array", "items": self.each.schema(), "minItems": self.least, "maxItems": self.most}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a record.

    Attributes:
        help: what it is for, in the words of its user.
        nullable: whether null may be said: of something new it is as if nothing was said, of something known it takes it away.
    """

    shape: Shape
    help: str = ""
    required: bool = False
    nullable: bool = False
    examples: tuple[Any, ...] = ()

    def schema(self) -> Schema:
        """As JSON Schema."""
        shown = self.shape.schema()
        if self.nullable:
            shown = {"anyOf": [shown, {"type": "null"}]}
        return (
            shown
            | ({"description": self.help} if self.help else {})
            | ({"examples": list(self.examples)} if self.examples else {})
        )


@dataclass(frozen=True, slots=True)
class Record:
    """An object with these fields and no other.

    Attributes:
        one_of: of these exactly one is said.
        some_of: of these at least one is said.
    """

    fields: Mapping[str, Field]
    help: str = ""
    one_of: tuple[str, ...] = ()
    some_of: tuple[str, ...] = ()
    _required: tuple[str, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "_required", tuple(name for name, each in self.fields.items() if each.required))

    def require(self, value: Any, where: str = "") -> None:
        """See `Shape`."""
        if not isinstance(value, Mapping):
            raise refusal(where, "must be an object")
        for name, said in value.items():
            known = self.fields.get(name) if isinstance(name, str) else None
            if known is None:
                raise refusal(f"{where}/{step(name)}", f"is unknown here; there is {', '.join(self.fields)}")
            if not (said is None and known.nullable):
                known.shape.require(said, f"{where}/{name}")
        for name in self._required:
            if name not in value:
                raise refusal(f"{where}/{name}", "is missing")
        self._require_choice(value, where)

    def _require_choice(self, value: Mapping[str, Any], where: str) -> None:
        if self.one_of:
            said = [name for name in self.one_of if value.get(name) is not None]
            if not said:
                raise refusal(f"{where}/{self.one_of[0]}", f"is missing; or say {' or '.join(self.one_of[1:])}")
            if len(said) > 1:
                raise refusal(f"{where}/{said[1]}", f"is said beside {said[0]}; say one of them")
        if self.some_of and value.keys().isdisjoint(self.some_of):
            raise refusal(where, f"says nothing to be done; there is {', '.join(self.some_of)}")

    def schema(self) -> Schema:
        """See `Shape`."""
        return {
            "type": "object",
            "properties": {name: each.schema() for name, each in self.fields.items()},
            "additionalProperties": False,
            **({"required": list(self._required)} if self._required else {}),
            **({"oneOf": [{"required": [name]} for name in self.one_of]} if self.one_of else {}),
            **({"anyOf": [{"required": [name]} for name in self.some_of]} if self.some_of else {}),
            **({"description": self.help} if self.help else {}),
        }


NAME = Text(200, 1, on_one_line=True)
"""What people or programs call something."""
LINE = Text(10_000)
"""A header; what may be in it is said by whoever makes a mail of it."""
BODY = Text(2_000_000)
ANY_ADDRESS = Text(1000, 1)
"""What is meant as an address, and may be none."""
NOTE = Text(1000, on_one_line=True)


def pointed(error: BadInput) -> BadInput:
    """What an engine says of a part, with a pointer in its place: `text` is `/text`, `header X` is `/headers/X`."""
    if error.field and not error.field.startswith("/"):
        part = _CALLED.get(error.field, error.field)
        error.field = f"/headers/{step(part[7:])}" if part.startswith("header ") else f"/{step(part)}"
    return error


_CALLED = {"content": "text", "key": "customer_key"}
"""Parts that an object calls otherwise."""


def unique(values: Iterable[tuple[str, str]]) -> None:
    """Refuse what is said twice.

    Args:
        values: each with its pointer.

    Raises:
        BadInput: the pointer of the second.
    """
    seen: set[str] = set()
    for value, where in values:
        if value in seen:
            raise refusal(where, "is said twice")
        seen.add(value)


def _between(least: int, most: int) -> str:
    return f"{least:,} to {most:,}" if least else f"at most {most:,}"
