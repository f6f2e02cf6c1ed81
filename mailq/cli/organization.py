"""The commands about organizations."""

import click

from mailq.cli.lazy import Entry, LazyGroup
from mailq.cli.options import CONTEXT, examples

COMMANDS = {
    "create": Entry("mailq.cli.organization_create:create", "Make an organization."),
    "list": Entry("mailq.cli.organization_list:list_organizations", "List organizations."),
    "webhook-secret": Entry("mailq.cli.webhook_secret:webhook_secret", "See and change what its webhooks are signed with."),
}


@click.command(
    cls=LazyGroup,
    entries=COMMANDS,
    context_settings=CONTEXT,
    epilog=examples("organization create acme", "organization webhook-secret show acme"),
)
def organization() -> None:
    """Make and list organizations, and change their webhook secrets.

    Mailings, calls, suppressions and keys belong to one each; `default` is there from the beginning.
    """
