"""The commands about outboxes."""

import click

from mailq.cli.lazy import Entry, LazyGroup
from mailq.cli.options import CONTEXT, examples

COMMANDS = {
    "create": Entry("mailq.cli.outbox_create:create", "Make the table of an outbox, or print how."),
    "relay": Entry("mailq.cli.outbox_relay:relay", "Carry what an outbox holds to mailq."),
    "list": Entry("mailq.cli.outbox_list:list_refused", "Count what an outbox holds, and show what was refused."),
}


@click.command(
    cls=LazyGroup,
    entries=COMMANDS,
    context_settings=CONTEXT,
    epilog=examples("outbox create --print --database mysql://", "outbox relay --to https://mailq.example", "outbox list"),
)
def outbox() -> None:
    """Carry what producers on other databases commit.

    An outbox is a table in the producer's own database, named by MAILQ_OUTBOX_URL.
    """
