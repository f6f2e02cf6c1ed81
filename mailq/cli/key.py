"""The commands about keys of the HTTP API."""

import click

from mailq.cli.lazy import Entry, LazyGroup
from mailq.cli.options import CONTEXT, examples

COMMANDS = {
    "create": Entry("mailq.cli.key_create:create", "Make a key, and show it once."),
    "list": Entry("mailq.cli.key_list:list_keys", "List keys without their secrets."),
    "revoke": Entry("mailq.cli.key_revoke:revoke", "Let a key be good for nothing from now on."),
}


@click.command(
    cls=LazyGroup,
    entries=COMMANDS,
    context_settings=CONTEXT,
    epilog=examples("key create --name shop --scope send --scope read", "key revoke mq_4fq0c8zj12"),
)
def key() -> None:
    """Make and revoke keys of the HTTP API. Each belongs to an organization, and sees nothing of the others'."""
