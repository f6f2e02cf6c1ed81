"""`mailing export`: streamed from a server-side cursor, whatever the size of the mailing."""

import csv
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from mailq.cli import parts
from mailq.cli.options import CONTEXT, Words, examples, json_option, reference_argument
from mailq.cli.terminal import plain
from mailq.core.delivery import State
from mailq.errors import Unavailable

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailq.settings import Settings
    from mailq.store.exports import Row

COLUMNS = ("seq", "address", "state", "skip", "doubt", "attempts", "relay", "reply", "settled_at", "message_id")
_DOMAIN_AT_THE_END = re.compile(r"@([A-Za-z0-9.-]+)>?\s*$")


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
    from mailq.store import exports, mailings

    chosen = parts.load()
    with parts.opened(chosen) as database, _opened(output) as file, database.begin() as tx:
        mailing = mailings.find(tx, reference)
        write = _json_writer(file) if as_json else _csv_writer(file)
        name = _namer(tx, mailing.id, chosen)
        for row in exports.deliveries(tx, mailing.id):
            if not states or row.state in states:
                write({**row._asdict(), "message_id": name(row)})


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


def _namer(tx: "Connection", mailing_id: int, chosen: "Settings") -> "Callable[[Row], str | None]":
    """The Message-ID of each delivery that was begun; None where its domain depends on the recipient."""
    from mailq.core.message import message_id
    from mailq.store import content, installation

    sender = str(content.of_mailing(tx, mailing_id).content.get("sender", ""))
    found = _DOMAIN_AT_THE_END.search(sender)
    domain = chosen.message_id_domain or (found[1].lower() if found else None)
    secret = installation.secret(tx)
    if domain is None:
        return lambda _: None
    return lambda row: message_id(mailing_id, row.seq, secret, domain) if row.attempts else None
