"""`doubt list`: streamed, however much is in doubt."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from mailq.cli import parts
from mailq.cli.options import CONTEXT, Words, examples, json_option
from mailq.cli.terminal import print_ndjson, print_table, say
from mailq.core.outcome import Doubt

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailq.settings import Settings
    from mailq.store.doubts import Listed

_COLUMNS = ("mailing", "address", "reason", "relay", "since", "message_id")
_PAGE = 100


@click.command("list", context_settings=CONTEXT, epilog=examples("doubt list", "doubt list sale-42 --reason host_lost --json"))
@click.argument("reference", metavar="[MAILING]", required=False)
@click.option("--reason", type=Words([*Doubt]), help="Only what is in doubt for this reason.")
@click.option("--limit", type=click.IntRange(1), help=f"At most so many; without --json {_PAGE} unless you say so.")
@json_option("Print NDJSON, a document a line; `doubt resolve --file` takes it.")
def list_doubts(*, reference: str | None, reason: str | None, limit: int | None, as_json: bool) -> None:
    """List what is in doubt, of one mailing or of all, in the order of the mailings and their recipients."""
    from mailq.store import doubts, mailings

    chosen = parts.load()
    shown = limit or (None if as_json else _PAGE)
    with parts.opened(chosen) as database, database.begin() as tx:
        mailing_id = None if reference is None else mailings.find(tx, reference).id
        found = doubts.listed(tx, mailing_id=mailing_id, reason=Doubt(reason) if reason else None, limit=shown and shown + 1)
        documents = _documents(tx, chosen, found)
        if as_json:
            for document in islice(documents, shown):
                print_ndjson(document)
            return
        page = list(islice(documents, shown))
        more = next(documents, None) is not None
    if not page:
        say("nothing is in doubt")
        return
    print_table(_COLUMNS, [[each[name] for name in _COLUMNS] for each in page], optional=("message_id", "relay"))
    if more:
        say("there are more: raise --limit, or print all of them with --json")


def _documents(tx: "Connection", chosen: "Settings", found: "Iterator[Listed]") -> Iterator[dict[str, Any]]:
    """Rows with their Message-IDs; they come mailing by mailing."""
    from mailq.engine.naming import namer

    name: Callable[[int], str | None]
    of: int | None = None
    for row in found:
        if row.mailing_id != of:
            of, name = row.mailing_id, namer(tx, row.mailing_id, chosen.message_id_domain)
        document = row._asdict()
        for hidden in ("mailing_id", "batch_id"):
            del document[hidden]
        yield document | {"message_id": name(row.seq)}
