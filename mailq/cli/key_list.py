"""`key list`."""

import click

from mailq.cli import parts
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.terminal import print_json, print_table, say

_COLUMNS = ("id", "organization", "name", "scopes", "rate", "created", "used", "expires", "revoked")


@click.command("list", context_settings=CONTEXT, epilog=examples("key list --organization acme"))
@click.option("--organization", help="Only of this one.")
@json_option("Print a JSON array.")
def list_keys(*, organization: str | None, as_json: bool) -> None:
    """List keys, the newest first; those that are good no more too. When one was used last is known to a minute."""
    from mailq.admin import keys, organizations

    with parts.opened(parts.load()) as database:
        owner = None if organization is None else organizations.find(database, organization)
        found = keys.list_(database, owner)
    if as_json:
        print_json([{"id": each.public_id, **each._asdict()} for each in found])
    elif not found:
        say("no keys yet; `mailqctl key create --help` says how to make one")
    else:
        rows = [(each[0], each[1], each[2], " ".join(each.scopes), *each[4:]) for each in found]
        print_table(_COLUMNS, rows, right=("rate",), optional=("rate", "expires", "revoked"))
