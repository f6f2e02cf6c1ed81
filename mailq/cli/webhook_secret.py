"""The commands about webhook secrets."""

import click

from mailq.cli.lazy import Entry, LazyGroup
from mailq.cli.options import CONTEXT, examples

COMMANDS = {
    "show": Entry("mailq.cli.webhook_secret_show:show", "List them, and show them if asked to."),
    "add": Entry("mailq.cli.webhook_secret_add:add", "Sign with one more."),
    "remove": Entry("mailq.cli.webhook_secret_remove:remove", "Sign with one no more."),
}


@click.command(
    "webhook-secret",
    cls=LazyGroup,
    entries=COMMANDS,
    context_settings=CONTEXT,
    epilog=examples(
        "organization webhook-secret show acme --reveal",
        "organization webhook-secret add acme",
        "organization webhook-secret remove acme 4fa2c0d81b3e",
    ),
)
def webhook_secret() -> None:
    """See and change what the webhooks of an organization are signed with.

    A webhook is signed with all of them. To change one: add another, give it to the receivers, then remove the old one.
    """
