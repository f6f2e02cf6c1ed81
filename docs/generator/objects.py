"""`call-objects.md`: every object that calls are about, with its methods and fields, from what is checked when a call is accepted."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from docs.generator import markdown
from mailq.engine.calls.fields import Field, Many, Record, Shape
from mailq.engine.calls.kind import Kind
from mailq.engine.calls.kinds import KINDS

_INTRODUCTION = (
    (
        "What a [call](calls.md) can be about. Each of its objects is plain JSON with the fields of its kind and method; an unknown field "
        "is refused, and nothing is converted. Beside those below every object has its `type`, which must be said, and may have a "
        "`correlation_id`: your own name for it, 1 to 200 characters, unique within its call, that is given back with its result."
    ),
    (
        "Fields in **bold** must be said. Where `null` may be said, it means nothing for something new, and takes away what is known of "
        "something known. Methods with `admin` need a key of that scope over HTTP."
    ),
)
_OF_EVERY_OBJECT = ("type", "correlation_id")


def page() -> str:
    """The page."""
    parts = [part for kind in KINDS.values() for part in _section(kind)]
    return markdown.page(markdown.head("Objects of calls", "`KINDS` in mailq/engine/calls", *_INTRODUCTION), *parts)


def _section(kind: Kind) -> Iterator[str]:
    yield f"## {kind.name}"
    yield kind.help
    for method, record in kind.records.items():
        yield f"### {kind.name}: {method}{' (`admin`)' if method in kind.guarded else ''}"
        yield from _record(record)


def _record(record: Record) -> Iterator[str]:
    if record.help:
        yield record.help
    rows = [_row(name, each) for name, each in record.fields.items() if name not in _OF_EVERY_OBJECT]
    yield markdown.table(("Field", "What it has to be", "What it is for"), rows)
    if record.one_of:
        yield f"Exactly one is said of {_names(record.one_of)}."
    if record.some_of:
        yield f"At least one is said of {_names(record.some_of)}."
    for name, each in record.fields.items():
        if isinstance(each.shape, Many) and isinstance(each.shape.each, Record):
            yield f"Each of `{name}`: {each.shape.each.help}"
            yield from _record(Record(each.shape.each.fields, one_of=each.shape.each.one_of, some_of=each.shape.each.some_of))


def _row(name: str, field: Field) -> tuple[str, str, str]:
    shown = f"**{markdown.code(name)}**" if field.required else markdown.code(name)
    example = f" For example {markdown.code(json.dumps(field.examples[0], ensure_ascii=False))}." if field.examples else ""
    return shown, _shape(field.shape) + (", or `null`" if field.nullable else ""), (_sentence(field.help) + example).strip()


def _shape(shape: Shape) -> str:
    found: Mapping[str, Any] = shape.schema()
    if "enum" in found:
        return " \\| ".join(markdown.code(word) for word in found["enum"]).replace("\\|", "or")
    match found["type"]:
        case "string":
            return _text(shape, found)
        case "boolean":
            return "`true` or `false`"
        case "array":
            what = "objects" if isinstance(getattr(shape, "each", None), Record) else "addresses"
            return f"a list of {found['minItems']:,} to {found['maxItems']:,} {what}"
        case _:
            return f"an object with at most {found['maxProperties']:,} names"


def _text(shape: Shape, found: Mapping[str, Any]) -> str:
    if found.get("format") == "date-time":
        return "a time with its zone"
    if type(shape).__name__ == "Address":
        return "an address"
    least = found.get("minLength", 0)
    return (
        f"text of {least:,} to {found['maxLength']:,} characters"
        if least
        else f"text of at most {found['maxLength']:,} characters"
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(markdown.code(name) for name in names)
