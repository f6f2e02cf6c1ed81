"""`mailing resend`."""

import click

from mailq.cli import parts
from mailq.cli.actor import actor
from mailq.cli.confirming import confirm
from mailq.cli.options import CONTEXT, Words, examples, json_option, reference_argument
from mailq.cli.recipients import Recipient
from mailq.cli.terminal import print_json, print_line, say
from mailq.core.delivery import State


@click.command(
    context_settings=CONTEXT,
    epilog=examples("mailing resend sale-42 --yes", "mailing resend sale-42 ann@x.example bob@x.example"),
)
@reference_argument
@click.argument("who", metavar="[ADDRESS|SEQ]...", type=Recipient(), nargs=-1)
@click.option(
    "--state",
    type=Words([State.ERROR]),
    default=State.ERROR.value,
    show_default=True,
    help="What is sent again; nothing else can be.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option()
def resend(*, reference: str, who: tuple[int | str, ...], state: str, yes: bool, as_json: bool) -> None:
    """Send what ended in an error again, as if it had never been tried: everything of a MAILING, or some recipients.

    What was sent or is in doubt is never touched; doubts have `mailqctl doubt resolve`. Suppressed addresses are left out, and, unless
    they are named, those who were in doubt and given up.
    """
    from mailq.engine import resending

    chosen = parts.load()
    with parts.opened(chosen, checked=True) as database:
        if not who:
            confirm(f"send everything of mailing {reference} that is in state {state} again?", yes=yes)
        resent = resending.resend(database, reference, actor=actor(), who=who)
        if resent.num:
            parts.ring(chosen, database, resent.lane)
    if as_json:
        print_json({"mailing": resent.public_id, "num": resent.num})
    elif resent.num:
        print_line(
            f"mailing {resent.public_id}: {resent.num:,} {'delivery is' if resent.num == 1 else 'deliveries are'} sent again"
        )
    else:
        say(f"nothing of mailing {resent.public_id} can be sent again; nothing was changed")
