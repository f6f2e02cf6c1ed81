"""`down`."""

import click

from mailq.cli import parts
from mailq.cli.options import CONTEXT, examples
from mailq.cli.terminal import say


@click.command(context_settings=CONTEXT, epilog=examples("down"))
@click.option("--within", type=click.IntRange(1), default=90, show_default=True, metavar="SECONDS", help="How long it may take.")
def down(*, within: int) -> None:
    """Stop the local stack of this home, as `up` or `demo --keep` started it. A stack that does not run is no mistake."""
    from mailq.local import detached

    home = parts.load().home
    if detached.stop(home, within_s=within):
        say(f"the stack in {home} is down")
    else:
        say(f"no stack runs in {home}")
