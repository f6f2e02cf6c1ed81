"""`organization webhook-secret add`."""

from typing import BinaryIO

import click

from mailq.cli import parts
from mailq.cli.actor import actor
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.terminal import print_json, print_line, say

_MOST_BYTES = 1000
_EXAMPLES = examples("organization webhook-secret add acme", "organization webhook-secret add acme --file secret.txt")


@click.command(context_settings=CONTEXT, epilog=_EXAMPLES)
@click.argument("organization", default="default")
@click.option("--file", type=click.File("rb"), help="One that receivers have already, whsec_… alone in a file; `-` is stdin.")
@json_option()
def add(*, organization: str, file: BinaryIO | None, as_json: bool) -> None:
    """Sign the webhooks of an organization with one more secret. A new one is printed, alone on standard output."""
    from mailq.admin import webhook_secrets

    given = None if file is None else file.read(_MOST_BYTES).decode(errors="replace").strip()
    with parts.opened(parts.load(), checked=True) as database:
        added = webhook_secrets.add(database, organization, given, actor=actor())
    if as_json:
        print_json({"id": added.id} | ({"secret": added.secret} if given is None else {}))
        return
    if given is None:
        print_line(added.secret)
    say(f"webhooks are signed with it from now on, and with those that were there; it is called {added.id}")
