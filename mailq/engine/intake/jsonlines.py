"""JSON Lines: one object a line, nested values welcome. What PostgreSQL's jsonb cannot hold makes its line invalid."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn, TextIO

from mailq.engine.intake.columns import address_column
from mailq.engine.intake.record import MAX_FIELD, MAX_LINE, Part, Record, at_fault, in_lists

# jsonb takes neither U+0000 nor half of a surrogate pair; both can only come as escapes.
_ESCAPE_AT_RISK = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


class _Unfit(ValueError):
    """Legal for Python's parser, but not for us; the text is the reason."""


def _no_constant(name: str) -> NoReturn:
    raise _Unfit(f"it contains {name}, which is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _Unfit(f"the number {text[:40]} is too large")
    return number


_parse = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite).decode


def parse(line: str) -> dict[str, Any]:
    """The object on one line.

    Raises:
        ValueError: it is none, or one that jsonb cannot hold; the text is the reason.
    """
    try:
        found = _parse(line)
    except _Unfit:
        raise
    except RecursionError:
        raise _Unfit("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise _Unfit(f"it is no JSON: {error.msg} at column {error.colno}") from None
    except ValueError:
        raise _Unfit("a number has too many digits") from None
    if not isinstance(found, dict):
        raise _Unfit("it is JSON, but no object; write one object a line")
    if "\0" in line:
        raise _Unfit("it contains a NUL byte")
    if _ESCAPE_AT_RISK.search(line):
        _require_storable(json.dumps(found, ensure_ascii=False))
    return found


def _require_storable(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _Unfit("it contains half of a surrogate pair") from None
    if re.search(r"(?<!\\)(?:\\\\)*\\u0000", text):
        raise _Unfit("it contains a NUL character")


class JsonLines:
    """The records of a JSONL stream."""

    def __init__(self, stream: TextIO, *, chosen: str | None = None) -> None:
        self._stream = stream
        self._chosen = chosen
        self._key: str | None = None

    def parts(self) -> Iterator[Part]:
        """Every record, in order. Blank lines are no records."""
        yield from in_lists(self._records())

    def _records(self) -> Iterator[Record]:
        readline = self._stream.readline
        number = 0
        while line := readline(MAX_LINE):
            number += 1
            if len(line) == MAX_LINE and line[-1] != "\n":
                self._skip_line()
                yield at_fault(number, f"the line is longer than {MAX_LINE:,} characters")
            elif not line.isspace():
                yield self._record(number, line)

    def _record(self, number: int, line: str) -> Record:
        try:
            variables = parse(line)
        except ValueError as error:
            return at_fault(number, str(error))
        if self._key not in variables:
            self._key = address_column(list(variables), self._chosen)
        if self._key is None:
            return at_fault(number, f"it has no `{self._chosen or 'email'}`")
        address = variables.pop(self._key)
        if not isinstance(address, str):
            return at_fault(number, f"`{self._key}` is no string")
        if len(line) > MAX_FIELD and any(isinstance(value, str) and len(value) > MAX_FIELD for value in variables.values()):
            return at_fault(number, f"a field is longer than {MAX_FIELD:,} characters", address)
        return Record(number, address, variables)

    def _skip_line(self) -> None:
        while (piece := self._stream.readline(MAX_LINE)) and piece[-1] != "\n":
            pass
