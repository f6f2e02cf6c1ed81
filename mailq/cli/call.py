"""The commands about calls."""

import click

from mailq.cli.lazy import Entry, LazyGroup
from mailq.cli.options import CONTEXT, examples

COMMANDS = {
    "send": Entry("mailq.cli.call_send:send", "Send a call that is in a file."),
    "list": Entry("mailq.cli.call_list:list_calls", "List calls, the newest first."),
    "show": Entry("mailq.cli.call_show:show", "Show a call, its results, and what became of its answers."),
    "cancel": Entry("mailq.cli.call_cancel:cancel", "Take back a call that has not run."),
    "results": Entry("mailq.cli.call_results:results", "Show what became of the objects of a call, or of a conversation."),
    "extract": Entry("mailq.cli.call_extract:extract", "Write all results of a time range into a file."),
    "conversation": Entry(
        "mailq.cli.call_conversation:conversation", "Show a conversation, what it lacks, and why it is in error."
    ),
    "drain": Entry("mailq.cli.call_drain:drain", "Hand over what a client has spooled while the API was away."),
    "notify-again": Entry("mailq.cli.call_notify_again:notify_again", "Try an answer again that nobody has taken."),
}


@click.command(
    cls=LazyGroup,
    entries=COMMANDS,
    context_settings=CONTEXT,
    epilog=examples("call send order-4711.json --key order-4711", "call show req_4fq0c8zj12ab34cd"),
)
def call() -> None:
    """Send calls, and see what became of them and of their conversations.

    A call is a method on objects that is accepted at once and run later, once. REQUEST_ID is what its producer was told (req_…).
    """
