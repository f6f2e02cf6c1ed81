"""`suppression remove`."""

import click

from mailq.cli import parts
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.suppression import organization_option
from mailq.cli.terminal import print_json, print_line
from mailq.errors import NotFound


@click.command(context_settings=CONTEXT, epilog=examples("suppression remove ann@x.example"))
@click.argument("address")
@organization_option
@json_option()
def remove(*, address: str, organization: str, as_json: bool) -> None:
    """Let an address be mailed again."""
    from mailq.core.address import normalise
    from mailq.store import organizations, suppressions

    key = normalise(address).key
    with parts.opened(parts.load(), checked=True) as database, database.begin() as tx:
        if not suppressions.remove(tx, organizations.id_of(tx, organization), key):
            raise NotFound(f"{key} is not suppressed; `mailqctl suppression list --prefix` looks for what is")
    if as_json:
        print_json({"address": key, "removed": True})
    else:
        print_line(f"{key} may be mailed again")
