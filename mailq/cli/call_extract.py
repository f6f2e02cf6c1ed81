"""`call extract`: read a page at a time, whatever the number of results."""

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from pathlib import Path

import click

from mailq.cli import parts, progress, rows
from mailq.cli.call_parts import EXTRACT, as_row, organization_option, owner
from mailq.cli.options import CONTEXT, Moment, examples
from mailq.cli.progress import Lines, Meter
from mailq.cli.terminal import say, stdout_is_terminal

_LOOK_EVERY = 1000
_WRITERS = {"csv": rows.csv_writer, "ndjson": rows.json_writer}
_EXAMPLES = examples(
    "call extract --from 2026-12-24T00:00Z --to 2026-12-25T00:00Z --out results.csv",
    "call extract --from 2026-12-24T00:00Z --to 2026-12-25T00:00Z --format ndjson | grep error",
)


@click.command(context_settings=CONTEXT, epilog=_EXAMPLES)
@click.option("--from", "since", type=Moment(), required=True, help="Calls that ended at this moment or later.")
@click.option("--to", "until", type=Moment(), required=True, help="Calls that ended before this moment.")
@click.option("--format", "form", type=click.Choice([*_WRITERS]), default="csv", show_default=True)
@click.option("--out", "output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file, whole or not at all.")
@organization_option
def extract(*, since: datetime, until: datetime, form: str, output: Path | None, organization: str) -> None:
    """Write the results of all calls that ended in a time range, in the order of their ends, each with its call.

    A call that ends just now may not be committed yet: let a range end a minute ago, and no result is missing from it.
    """
    from mailq.admin import calls

    with parts.opened(parts.load()) as database:
        found = calls.extract(database, owner(database, organization), since=since, until=until)
        with rows.opened(output) as file, _meter(output) as meter:
            write = _WRITERS[form](file, EXTRACT)
            num = 0
            for num, each in enumerate(found.rows, 1):
                write(as_row(each))
                if num % _LOOK_EVERY == 0:
                    meter.at(num, max(num, found.num))
            meter.at(num, num)
    if output is not None:
        say(f"{num:,} {'result is' if num == 1 else 'results are'} in {output}")


def _meter(output: Path | None) -> AbstractContextManager[Meter]:
    """A bar, unless it would stand among the rows."""
    what = "extracting", "results"
    return nullcontext(Lines(*what)) if output is None and stdout_is_terminal() else progress.shown(*what)
