"""`key revoke`."""

import click

from mailq.cli import parts
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.terminal import print_json, print_line


@click.command(context_settings=CONTEXT, epilog=examples("key revoke 4fq0c8zj12"))
@click.argument("key_id", metavar="ID")
@json_option()
def revoke(*, key_id: str, as_json: bool) -> None:
    """Let a key be good for nothing from now on. There is no way back; ID is what `key list` shows."""
    from mailq.admin import keys

    with parts.opened(parts.load(), checked=True) as database:
        revoked = keys.revoke(database, None, key_id)
    if as_json:
        print_json({"id": key_id.removeprefix("mq_"), "revoked": revoked})
        return
    print_line(f"key {key_id} is revoked" if revoked else f"key {key_id} was revoked before; nothing was changed")
