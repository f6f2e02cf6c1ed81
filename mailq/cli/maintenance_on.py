"""`maintenance on`."""

import click

from mailq.cli import parts
from mailq.cli.actor import actor
from mailq.cli.options import CONTEXT, examples
from mailq.cli.terminal import print_line, say


@click.command(context_settings=CONTEXT, epilog=examples("maintenance on", 'maintenance on --why "the relay moves"'))
@click.option("--why", metavar="TEXT", help="What watchers are told.")
def on(*, why: str | None) -> None:
    """Accept everything and process nothing, from now on.

    No batch is claimed, and what is being sent ends with the messages under way; single messages, scheduled mailings, calls and
    answers wait. Mailings expire at their hour. Said again it changes nothing.
    """
    from mailq.admin import maintenance

    with parts.opened(parts.load(), checked=True) as database:
        standing, begun = maintenance.on(database, actor=actor(), why=why)
    if not begun:
        say("there was maintenance already; nothing was changed")
    print_line(f"{standing}")
    print_line("what is under way ends within seconds; `mailqctl backlog` shows when nothing is leased any more")
    print_line("`mailqctl maintenance off` goes on")
