"""`history`."""

import click

from mailq.cli import parts
from mailq.cli.contacts import print_contacts
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.errors import NotFound


@click.command(context_settings=CONTEXT, epilog=examples("history ann@x.example"))
@click.argument("address")
@json_option("Print a JSON array.")
def history(*, address: str, as_json: bool) -> None:
    """Show every mail that one address got or did not get, the newest first."""
    from mailq.store import exports

    with parts.opened(parts.load()) as database, database.begin() as tx:
        contacts = exports.history(tx, address)
    if not contacts:
        raise NotFound(f"no mailing ever had the recipient `{address}`")
    print_contacts(contacts, as_json=as_json)
