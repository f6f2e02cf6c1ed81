"""The commands about suppressions."""

from collections.abc import Callable
from typing import Any

import click

from mailq.cli.lazy import Entry, LazyGroup
from mailq.cli.options import CONTEXT, Words, examples
from mailq.core.suppression import Reason

COMMANDS = {
    "add": Entry("mailq.cli.suppression_add:add", "Mail an address no more."),
    "remove": Entry("mailq.cli.suppression_remove:remove", "Let an address be mailed again."),
    "list": Entry("mailq.cli.suppression_list:list_suppressions", "List suppressed addresses, and why they are."),
    "import": Entry("mailq.cli.suppression_import:import_file", "Suppress every address of a file."),
}

organization_option: Callable[..., Any] = click.option(
    "--organization", default="default", show_default=True, help="Whose mailings it is about."
)
reason_option: Callable[..., Any] = click.option(
    "--reason", type=Words([*Reason]), default=Reason.MANUAL.value, show_default=True, help="Why; it stands in the books."
)
note_option: Callable[..., Any] = click.option("--note", help="What else an operator should know.")


@click.command(
    cls=LazyGroup,
    entries=COMMANDS,
    context_settings=CONTEXT,
    epilog=examples("suppression add ann@x.example --reason unsubscribed", "suppression import bounces.csv --reason bounced"),
)
def suppression() -> None:
    """See and change which addresses must not be mailed.

    A submit skips them, in whatever case they are written. A mailing that is loaded already does not look again.
    """
