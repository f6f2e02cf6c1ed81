"""`maintenance status`."""

from dataclasses import asdict

import click

from mailq.cli import parts
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.terminal import print_facts, print_json, print_line

_NONE = {"since": None, "by": None, "why": None}


@click.command(context_settings=CONTEXT, epilog=examples("maintenance status", "maintenance status --json"))
@json_option()
def status(*, as_json: bool) -> None:
    """Show since when nothing is processed, by whose word and why."""
    from mailq.admin import maintenance

    with parts.opened(parts.load()) as database:
        found = maintenance.status(database)
    if as_json:
        print_json({"maintenance": found is not None, **(_NONE if found is None else asdict(found))})
    elif found is None:
        print_line("no maintenance: everything is processed as it comes")
    else:
        print_facts({"maintenance since": found.since, "begun by": found.by, "why": found.why})
        print_line("`mailqctl maintenance off` goes on")
