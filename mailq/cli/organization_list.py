"""`organization list`."""

import click

from mailq.cli import parts
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.terminal import print_json, print_table


@click.command("list", context_settings=CONTEXT, epilog=examples("organization list"))
@json_option("Print a JSON array.")
def list_organizations(*, as_json: bool) -> None:
    """List organizations in the order of their names."""
    from mailq.admin import organizations

    with parts.opened(parts.load()) as database:
        found = organizations.list_(database)
    if as_json:
        print_json([{"id": each.public_id, "name": each.name, "created_at": each.created_at} for each in found])
    else:
        print_table(("name", "id", "created"), [(each.name, each.public_id, each.created_at) for each in found])
