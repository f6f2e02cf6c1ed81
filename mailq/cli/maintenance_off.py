"""`maintenance off`."""

import click

from mailq.cli import parts
from mailq.cli.actor import actor
from mailq.cli.options import CONTEXT, examples
from mailq.cli.terminal import print_line, say


@click.command(context_settings=CONTEXT, epilog=examples("maintenance off"))
def off() -> None:
    """Go on, at once and everywhere. Said again it changes nothing."""
    from mailq.admin import maintenance

    with parts.opened(parts.load(), checked=True) as database:
        ended = maintenance.off(database, actor=actor())
    if ended is None:
        say("there is no maintenance; nothing was changed")
        return
    print_line(f"ended: {ended}")
