"""`organization webhook-secret show`."""

import click

from mailq.cli import parts
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.terminal import print_json, print_table, say

_EXAMPLES = examples("organization webhook-secret show acme", "organization webhook-secret show acme --reveal")


@click.command(context_settings=CONTEXT, epilog=_EXAMPLES)
@click.argument("organization", default="default")
@click.option("--reveal", is_flag=True, help="The secrets too, not only what they are called by.")
@json_option("Print a JSON array.")
def show(*, organization: str, reveal: bool, as_json: bool) -> None:
    """List the secrets of an organization, the oldest first. One is made where there is none."""
    from mailq.admin import webhook_secrets

    with parts.opened(parts.load(), checked=True) as database:
        found = webhook_secrets.list_(database, organization)
    if as_json:
        print_json([{"id": each.id} | ({"secret": each.secret} if reveal else {}) for each in found])
        return
    print_table(("id", "secret"), [(each.id, each.secret if reveal else "…") for each in found])
    if not reveal:
        say("--reveal shows them")
