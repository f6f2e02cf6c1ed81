"""`mailing export`: streamed from a server-side cursor, whatever the size of the mailing."""

import csv
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import click

from mailq.cli import parts
from mailq.cli.options import CONTEXT, Words, examples, json_option, reference_argument
from mailq.cli.terminal import plain
from mailq.core.delivery import State
from mailq.errors import Unavailable

COLUMNS = ("seq", "address", "state", "skip", "doubt", "attempts", "relay", "reply", "settled_at", "message_id")


@click.command(
    context_settings=CONTEXT,
    epilog=examples("mailing export sale-42 --output sale-42.csv", "mailing export sale-42 --state error --state in_doubt"),
)
@reference_argument
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file, whole or not at all.")
@click.option("--state", "states", type=Words([*State]), multiple=True, help="Only these; may be repeated.")
@json_option("Print NDJSON, a document a line.")
def export(*, reference: str, output: Path | None, states: tuple[str, ...], as_json: bool) -> None:
    """Print what became of every recipient, as CSV, in the order of the source."""
    from mailq.admin import mailings

    chosen = parts.load()
    wanted = [State(state) for state in states]
    with parts.opened(chosen) as database, _opened(output) as file:
        rows = mailings.export(database, None, reference, states=wanted, message_id_domain=chosen.message_id_domain)
        write = _json_writer(file) if as_json else _csv_writer(file)
        for row in rows:
            write(row._asdict())


@contextmanager
def _opened(output: Path | None) -> Iterator[TextIO]:
    """Stdout, or a file that takes its name when it is complete."""
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


def _csv_writer(file: TextIO) -> Callable[[dict[str, object]], None]:
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(COLUMNS)
    return lambda row: rows.writerow(["" if row[name] is None else _text(row[name]) for name in COLUMNS])


def _json_writer(file: TextIO) -> Callable[[dict[str, object]], None]:
    import json

    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=plain).encode
    return lambda row: print(encode({name: row[name] for name in COLUMNS}), file=file)


def _text(value: object) -> str:
    shown = plain(value) if not isinstance(value, (str, int)) else value
    return str(shown)
