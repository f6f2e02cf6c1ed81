"""A file of verdicts: CSV with the columns mailing and address (and verdict), or what `doubt list --json` prints."""

import csv
import json
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from mailq.cli.recipients import read
from mailq.core.in_doubt import Verdict
from mailq.errors import BadInput

if TYPE_CHECKING:
    from mailq.engine.doubt_lists import Named

MAX_LINES = 100_000
_LONGEST_LINE = 10_000
_NEEDED = ("mailing", "address")


def read_file(path: Path, default: Verdict | None) -> "list[Named]":
    """The deliveries that a file names, each with its verdict.

    Args:
        default: the verdict of lines that name none.

    Raises:
        BadInput: it cannot be read, or a line is wrong: the text names it.
    """
    from mailq.engine.doubt_lists import Named

    named: list[Named] = []
    try:
        with click.open_file(str(path), encoding="utf-8-sig", errors="strict") as file:
            for number, row in _rows(path, file):
                where = f"{path}, line {number}"
                if len(named) == MAX_LINES:
                    raise BadInput(f"{where}: that is more than {MAX_LINES:,}; split the file, or resolve by mailing and reason")
                named.append(Named(_mailing(row, where), _who(row, where), _verdict(row, default, where), where))
    except UnicodeDecodeError:
        raise BadInput(f"{path} is not UTF-8; nothing was changed") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from None
    if not named:
        raise BadInput(f"{path} names nobody")
    return named


def _rows(path: Path, file: IO[str]) -> Iterator[tuple[int, Mapping[str, object]]]:
    lines = _lines(path, file)
    first = next(((number, line) for number, line in lines if line.strip()), None)
    if first is None:
        return
    if first[1].lstrip().startswith("{"):
        yield from _from_json(path, first, lines)
    else:
        yield from _from_csv(path, first, lines)


def _lines(path: Path, file: IO[str]) -> Iterator[tuple[int, str]]:
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE or "\0" in line:
            raise BadInput(f"{path}, line {number}: no line of verdicts; nothing was changed")
        yield number, line


def _from_json(
    path: Path, first: tuple[int, str], lines: Iterator[tuple[int, str]]
) -> Iterator[tuple[int, Mapping[str, object]]]:
    for number, line in chain([first], lines):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise BadInput(f"{path}, line {number}: no JSON object; nothing was changed")
        # What `doubt list` prints names the recipient by seq as well, which is exact.
        yield number, {**document, "address": document.get("seq", document.get("address"))}


def _from_csv(path: Path, first: tuple[int, str], lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, Mapping[str, object]]]:
    columns = [name.strip().lower() for name in _cells(first[1])]
    missing = [name for name in _NEEDED if name not in columns]
    if missing:
        raise BadInput(
            f"{path}, line {first[0]}: no column `{missing[0]}`; the first line names the columns: mailing,address,verdict"
        )
    for number, line in lines:
        if not line.strip():
            continue
        cells = _cells(line)
        if len(cells) != len(columns):
            raise BadInput(f"{path}, line {number}: {len(cells)} fields instead of {len(columns)}; nothing was changed")
        yield number, dict(zip(columns, cells, strict=True))


def _cells(line: str) -> list[str]:
    try:
        return next(csv.reader([line]))
    except csv.Error:
        return []


def _mailing(row: Mapping[str, object], where: str) -> str:
    mailing = row.get("mailing")
    if not isinstance(mailing, str) or not mailing.strip():
        raise BadInput(f"{where}: no mailing; nothing was changed")
    return mailing.strip()


def _who(row: Mapping[str, object], where: str) -> int | str:
    try:
        return read(str(row.get("address") or ""))
    except ValueError as error:
        raise BadInput(f"{where}: {error}; nothing was changed") from None


def _verdict(row: Mapping[str, object], default: Verdict | None, where: str) -> Verdict:
    word = row.get("verdict")
    if word is None or not str(word).strip():
        if default is None:
            raise BadInput(f"{where}: no verdict; name one in the line, or say --as for all lines without. Nothing was changed")
        return default
    try:
        return Verdict(str(word).strip())
    except ValueError:
        words = ", ".join(Verdict)
        raise BadInput(f"{where}: {str(word)[:50]!r} is no verdict; there are {words}. Nothing was changed") from None
