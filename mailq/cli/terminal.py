"""What goes to stdout and stderr, on a terminal and off it. Rich is imported only where a terminal shows it."""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console


_GAP = 2
_FOLDED = 13
"""As narrow as a column may get where its text folds: our longest words, `transactional` and `worker_killed`, stay whole."""
_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def say(text: str) -> None:
    """A line for a person, on stderr. Control characters of foreign text never reach the terminal."""
    click.echo(clean(text), err=True)


def print_line(text: str) -> None:
    """A line of data, on stdout."""
    click.echo(text)


def print_json(value: object) -> None:
    """A document on stdout."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=plain))


def print_ndjson(value: object) -> None:
    """One line of a stream of documents on stdout."""
    click.echo(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=plain))


def plain(value: object) -> object:
    """A value as JSON has it: moments in ISO 8601, spans in seconds."""
    match value:
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case _:
            return str(value)


def clean(text: str) -> str:
    """Text without control characters but for line ends: an address or a reply cannot move the cursor."""
    return "".join(c if c in "\n\t" or c.isprintable() or c == "\u200d" else f"\\x{ord(c):02x}" for c in text)


def stdout_is_terminal() -> bool:
    """Whether a person looks at stdout."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def stderr_is_terminal() -> bool:
    """Whether a person looks at stderr."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def console(*, stderr: bool = False) -> "Console":
    """A console that draws; it heeds NO_COLOR."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


_STATE_STYLES = {
    "sent": "green",
    "finished": "green",
    "ok": "green",
    "running": "cyan",
    "loading": "cyan",
    "paused": "yellow",
    "deferred": "yellow",
    "in_doubt": "yellow",
    "warn": "yellow",
    "error": "red",
    "fail": "red",
    "cancelled": "red",
    "expired": "red",
}


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = (), optional: Sequence[str] = ()
) -> None:
    """A table: drawn on a terminal, else aligned columns of plain text, nothing cut off.

    Args:
        right: columns of numbers.
        optional: columns that a narrow terminal goes without, the first to go first. One that is too narrow all the same gets
            the rows one below the other.
    """
    cells = [[clean(_cell(value)) for value in row] for row in rows]
    if stdout_is_terminal():
        _draw(console(), list(columns), cells, right, list(optional))
        return
    widths = [max(len(row[place]) for row in [list(columns), *cells]) for place in range(len(columns))]
    for row in ([name.upper() for name in columns], *cells):
        aligned = (
            cell.rjust(width) if name in right else cell.ljust(width)
            for name, cell, width in zip(columns, row, widths, strict=True)
        )
        print_line("  ".join(aligned).rstrip())


def _draw(screen: "Console", columns: list[str], cells: list[list[str]], right: Sequence[str], optional: list[str]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    everything = columns, cells
    while _least_width(columns, cells, right) > screen.width and optional:
        place = columns.index(optional.pop(0))
        columns = columns[:place] + columns[place + 1 :]
        cells = [row[:place] + row[place + 1 :] for row in cells]
    if _least_width(columns, cells, right) > screen.width:
        _stack(*everything)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, _GAP - 1, 0, 0), show_edge=False)
    for place, name in enumerate(columns):
        rigid = name in right or not place
        table.add_column(name, justify="right" if name in right else "left", overflow="fold", no_wrap=rigid)
    for row in cells:
        table.add_row(*(Text(cell, style=_STATE_STYLES.get(cell, "")) for cell in row))
    screen.print(table)


def _least_width(columns: Sequence[str], cells: Sequence[Sequence[str]], right: Sequence[str]) -> int:
    """What a table needs so that ids and numbers stay whole; other text may be folded."""
    width = _GAP * len(columns)
    for place, name in enumerate(columns):
        longest = max(len(text) for text in (name, *(row[place] for row in cells)))
        width += longest if name in right or not place else min(longest, max(len(name), _FOLDED))
    return width


def _stack(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    for number, row in enumerate(cells):
        if number:
            print_line("")
        print_facts({name: cell or None for name, cell in zip(columns, row, strict=True)})


def print_facts(facts: Mapping[str, object]) -> None:
    """Names and values, a pair a line; what is None is left out."""
    shown = {name: clean(_cell(value)) for name, value in facts.items() if value is not None}
    width = max(map(len, shown), default=0)
    for name, value in shown.items():
        print_line(f"{name.ljust(width)}  {value}")


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case datetime():
            return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        case timedelta():
            return span(value.total_seconds())
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case _:
            return str(value)


def span(seconds: float) -> str:
    """A time span as people say it: `48 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    whole = max(0, round(seconds))
    for (unit, size), (part, part_size) in pairwise(_UNITS):
        if whole >= size:
            rest = whole % size // part_size
            return f"{whole // size} {unit}" + (f" {rest} {part}" if rest else "")
    return f"{whole} s"
