"""`suppression import`."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailq.cli import parts, progress
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.suppression import note_option, organization_option, reason_option
from mailq.cli.terminal import print_json, print_line, say
from mailq.core.suppression import Reason

if TYPE_CHECKING:
    from mailq.engine.intake.addresses import AddressList, Given

_AT_A_TIME = 10_000
_EXAMPLES = examples(
    "suppression import bounces.csv --reason bounced", "suppression import - --reason unsubscribed < addresses.txt"
)


@click.command("import", context_settings=CONTEXT, epilog=_EXAMPLES)
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@reason_option
@note_option
@click.option("--address-column", metavar="NAME", help="The column with the address, if it has an unusual name.")
@organization_option
@json_option()
def import_file(
    *, file: Path, reason: str, note: str | None, address_column: str | None, organization: str, as_json: bool
) -> None:
    """Suppress every address of FILE: a CSV with a header, JSON Lines, or text with an address a line; `-` is stdin.

    Lines without a valid address are skipped and counted. An import that was cut off may be run again: what is suppressed
    already stays as it is.
    """
    from mailq.engine.intake.addresses import open_addresses
    from mailq.store import organizations, suppressions

    counts = {"num_lines": 0, "num_added": 0, "num_known": 0, "num_invalid": 0}
    chosen = parts.load()
    with open_addresses(file, address_column=address_column) as given, parts.opened(chosen, checked=True) as database:
        with database.begin() as tx:
            owner = organizations.id_of(tx, organization)
        with progress.shown("suppressing", "bytes") as meter:
            for some in _in_pages(given):
                keys = {each.key for each in some if each.key is not None}
                with database.begin() as tx:
                    added = suppressions.add_many(tx, owner, sorted(keys), Reason(reason), note)
                invalid = sum(each.key is None for each in some)
                counts["num_lines"] += len(some)
                counts["num_added"] += added
                counts["num_invalid"] += invalid
                counts["num_known"] += len(some) - invalid - added
                meter.at(given.position.bytes_read, given.position.total_bytes, f"{counts['num_added']:,} added")
    if as_json:
        print_json(counts)
        return
    print_line(f"{counts['num_added']:,} addresses are suppressed now, {counts['num_known']:,} were before or stood twice")
    if counts["num_invalid"]:
        say(f"{counts['num_invalid']:,} of {counts['num_lines']:,} lines have no valid address and were skipped")


def _in_pages(given: "AddressList") -> "Iterator[list[Given]]":
    lines = iter(given)
    while some := list(islice(lines, _AT_A_TIME)):
        yield some
