"""Rows by the million, written to stdout or into a file: as CSV, or as JSON a line."""

import csv
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from mailq.cli.terminal import plain
from mailq.errors import Unavailable

Write = Callable[[Mapping[str, Any]], None]


@contextmanager
def opened(output: Path | None) -> Iterator[TextIO]:
    """Stdout, or a file that takes its name when it is complete.

    Raises:
        Unavailable: the file cannot be written.
    """
    if output is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    draft = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            yield file
        draft.replace(output)
    except OSError as error:
        raise Unavailable(f"{output} cannot be written: {error.strerror}") from None
    finally:
        draft.unlink(missing_ok=True)


def csv_writer(file: TextIO, columns: Sequence[str]) -> Write:
    """Lines of a table; its head is written at once."""
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(columns)
    return lambda row: rows.writerow(["" if row[name] is None else _text(row[name]) for name in columns])


def json_writer(file: TextIO, columns: Sequence[str]) -> Write:
    """An object a line."""
    encode = _encoder()
    return lambda row: print(encode({name: row[name] for name in columns}), file=file)


def _text(value: object) -> str:
    if isinstance(value, dict):
        return _encoder()(value)
    return str(plain(value) if not isinstance(value, (str, int)) else value)


def _encoder() -> Callable[[object], str]:
    import json

    return json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=plain).encode
