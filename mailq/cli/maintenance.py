"""The commands about maintenance."""

import click

from mailq.cli.lazy import Entry, LazyGroup
from mailq.cli.options import CONTEXT, examples

COMMANDS = {
    "on": Entry("mailq.cli.maintenance_on:on", "Accept everything and process nothing, from now on."),
    "off": Entry("mailq.cli.maintenance_off:off", "Go on, at once and everywhere."),
    "status": Entry("mailq.cli.maintenance_status:status", "Show since when, by whom and why."),
}


@click.command(
    cls=LazyGroup,
    entries=COMMANDS,
    context_settings=CONTEXT,
    epilog=examples('maintenance on --why "the relay moves"', "maintenance status", "maintenance off"),
)
def maintenance() -> None:
    """Stop all processing for a while, and lose nothing: producers are served as ever, and what they submit waits.

    For the whole installation: all servers and organizations.
    """
