"""`call list`."""

import click

from mailq.cli import parts
from mailq.cli.call_parts import as_document, owner, part
from mailq.cli.options import CONTEXT, Words, examples, json_option
from mailq.cli.terminal import print_json, print_table, say
from mailq.core.call import State

_COLUMNS = ("request", "method", "objects", "state", "priority", "conversation", "part", "received", "scheduled", "ended")


@click.command(
    "list", context_settings=CONTEXT, epilog=examples("call list --state error", "call list --conversation order-4711")
)
@click.option("--state", "states", type=Words([*State]), multiple=True, help="Only these; may be repeated.")
@click.option("--conversation", "conversation_id", metavar="CONVERSATION_ID", help="Only the parts of this one.")
@click.option("--organization", help="Only of this one; conversations are those of `default`, unless you say so.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@json_option("Print a JSON array.")
def list_calls(
    *, states: tuple[str, ...], conversation_id: str | None, organization: str | None, limit: int, as_json: bool
) -> None:
    """List calls, the newest first."""
    from mailq.admin import calls

    if organization is None and conversation_id is not None:
        organization = "default"
    with parts.opened(parts.load()) as database:
        whose = None if organization is None else owner(database, organization)
        wanted = [State(state) for state in states]
        page = calls.list_(database, whose, limit=limit, states=wanted, conversation_id=conversation_id)
    if as_json:
        print_json([as_document(each) for each in page.data])
    elif not page.data:
        say("no such calls" if states or conversation_id else "no calls yet; `mailqctl call send --help` says how to send one")
    else:
        rows = [
            (
                *(each.request_id, each.method, each.num_objects, each.state, each.priority, each.conversation_id, part(each)),
                *(each.received_at, each.scheduled_at, each.ended_at),
            )
            for each in page.data
        ]
        print_table(_COLUMNS, rows, right=("objects",), optional=("scheduled", "priority", "ended", "received", "method"))
