"""`mailing pause`, `resume`, `cancel` and `drop`."""

import click

from mailq.cli import parts
from mailq.cli.confirming import confirm
from mailq.cli.options import CONTEXT, examples, reference_argument
from mailq.cli.terminal import say


@click.command(context_settings=CONTEXT, epilog=examples("mailing pause sale-42"))
@reference_argument
def pause(*, reference: str) -> None:
    """Stop sending a mailing for now; what is on the wire is settled first."""
    from mailq.engine import steering

    with parts.opened(parts.load(), checked=True) as database:
        paused = steering.pause(database, reference)
    say(f"mailing {paused.public_id} is paused; `mailqctl mailing resume {paused.public_id}` goes on")


@click.command(context_settings=CONTEXT, epilog=examples("mailing resume sale-42"))
@reference_argument
def resume(*, reference: str) -> None:
    """Go on with a paused mailing."""
    from mailq.engine import steering

    chosen = parts.load()
    with parts.opened(chosen, checked=True) as database:
        resumed = steering.resume(database, reference)
        parts.ring(chosen, database, resumed.lane)
    say(f"mailing {resumed.public_id} is running")


@click.command(context_settings=CONTEXT, epilog=examples("mailing cancel sale-42 --yes"))
@reference_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
def cancel(*, reference: str, yes: bool) -> None:
    """End a mailing for good; what has not begun is skipped. There is no way back."""
    from mailq.engine import steering

    confirm(f"cancel mailing {reference} for good?", yes=yes)
    with parts.opened(parts.load(), checked=True) as database:
        cancelled = steering.cancel(database, reference)
    say(f"mailing {cancelled.public_id} is cancelled")


@click.command(context_settings=CONTEXT, epilog=examples("mailing drop mlg_4fq0c8zj --yes"))
@reference_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
def drop(*, reference: str, yes: bool) -> None:
    """Delete a mailing whose load was never finished, with all that was loaded of it."""
    from mailq.engine import steering

    confirm(f"delete what was loaded of mailing {reference}?", yes=yes)
    with parts.opened(parts.load(), checked=True) as database:
        dropped = steering.drop(database, reference)
    say(f"mailing {dropped.public_id} is dropped")
