"""The commands about organizations."""

import click

from mailq.cli.lazy import Entry, LazyGroup
from mailq.cli.options import CONTEXT, examples

COMMANDS = {
    "create": Entry("mailq.cli.organization_create:create", "Make an organization."),
    "list": Entry("mailq.cli.organization_list:list_organizations", "List organizations."),
}


@click.command(cls=LazyGroup, entries=COMMANDS, context_settings=CONTEXT, epilog=examples("organization create acme"))
def organization() -> None:
    """Make and list organizations. Mailings, suppressions and keys belong to one each; `default` is there from the beginning."""
