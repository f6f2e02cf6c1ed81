"""`organization create`."""

import click

from mailq.cli import parts
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.terminal import print_json, print_line


@click.command(context_settings=CONTEXT, epilog=examples("organization create acme"))
@click.argument("name")
@json_option()
def create(*, name: str, as_json: bool) -> None:
    """Make an organization; `key create --organization NAME` lets it in."""
    from mailq.admin import organizations

    with parts.opened(parts.load(), checked=True) as database:
        made = organizations.create(database, name)
    if as_json:
        print_json({"id": made.public_id, "name": made.name})
    else:
        print_line(f"organization {made.name} is made")
