"""The commands about mailings."""

import click

from mailq.cli.lazy import Entry, LazyGroup
from mailq.cli.options import CONTEXT, examples

COMMANDS = {
    "submit": Entry("mailq.cli.mailing_submit:submit", "Load recipients from a file and send them a mailing."),
    "list": Entry("mailq.cli.mailing_list:list_mailings", "List mailings with their books, the newest first."),
    "show": Entry("mailq.cli.mailing_show:show", "Show a mailing, its books, and why it does not move."),
    "watch": Entry("mailq.cli.mailing_watch:watch", "Follow a mailing until it ends."),
    "pause": Entry("mailq.cli.mailing_steer:pause", "Stop sending for now."),
    "resume": Entry("mailq.cli.mailing_steer:resume", "Go on with a paused mailing."),
    "cancel": Entry("mailq.cli.mailing_steer:cancel", "End a mailing for good; what has not begun is skipped."),
    "resend": Entry("mailq.cli.mailing_resend:resend", "Send what ended in an error again."),
    "drop": Entry("mailq.cli.mailing_steer:drop", "Delete a mailing that was never loaded to its end."),
    "verify": Entry("mailq.cli.mailing_verify:verify", "Count deliveries again, and compare them with the books."),
    "export": Entry("mailq.cli.mailing_export:export", "Print what became of every recipient."),
}


@click.command(
    cls=LazyGroup,
    entries=COMMANDS,
    context_settings=CONTEXT,
    epilog=examples("mailing submit people.csv --content sale.toml --key sale-42", "mailing watch sale-42"),
)
def mailing() -> None:
    """Submit, watch and steer mailings.

    MAILING is a public id (mlg_…), the beginning of one, or the key it was submitted with.
    """
