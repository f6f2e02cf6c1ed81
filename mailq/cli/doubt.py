"""The commands about deliveries in doubt."""

import click

from mailq.cli.lazy import Entry, LazyGroup
from mailq.cli.options import CONTEXT, examples

COMMANDS = {
    "list": Entry("mailq.cli.doubt_list:list_doubts", "List what is in doubt, by address."),
    "show": Entry("mailq.cli.doubt_show:show", "Show a delivery in doubt, and what can be done about it."),
    "resolve": Entry("mailq.cli.doubt_resolve:resolve", "Say what becomes of deliveries in doubt."),
    "evidence": Entry("mailq.cli.doubt_evidence:evidence", "Settle as sent what a Postfix log shows as queued."),
}


@click.command(
    cls=LazyGroup,
    entries=COMMANDS,
    context_settings=CONTEXT,
    epilog=examples("doubt list", "doubt resolve sale-42 ann@x.example --as sent"),
)
def doubt() -> None:
    """Mails that may have been sent or not: their final dot left, and no reply came.

    They are counted, listed and never settled silently: by evidence, by the mailing's policy, or by you.
    """
