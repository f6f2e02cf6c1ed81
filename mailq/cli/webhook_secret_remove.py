"""`organization webhook-secret remove`."""

import click

from mailq.cli import parts
from mailq.cli.actor import actor
from mailq.cli.options import CONTEXT, examples
from mailq.cli.terminal import print_line


@click.command(context_settings=CONTEXT, epilog=examples("organization webhook-secret remove acme 4fa2c0d81b3e"))
@click.argument("organization")
@click.argument("secret_id", metavar="ID")
def remove(*, organization: str, secret_id: str) -> None:
    """Sign with a secret no more; ID is what `webhook-secret show` calls it. The last one cannot be removed."""
    from mailq.admin import webhook_secrets

    with parts.opened(parts.load(), checked=True) as database:
        webhook_secrets.remove(database, organization, secret_id, actor=actor())
    print_line(f"webhooks of {organization} are not signed with {secret_id} any more")
