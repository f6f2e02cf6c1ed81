"""`call results`."""

from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from mailq.cli import parts
from mailq.cli.call_parts import as_row, organization_option, owner, print_result_rows, print_results
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.terminal import print_ndjson, say
from mailq.core.call import OVER

if TYPE_CHECKING:
    from mailq.store.database import Database

_MOST_SHOWN = 1000


@click.command(
    context_settings=CONTEXT,
    epilog=examples("call results req_4fq0c8zj12ab34cd", "call results --conversation order-4711 --json"),
)
@click.argument("request_id", metavar="[REQUEST_ID]", required=False)
@click.option("--conversation", "conversation_id", metavar="CONVERSATION_ID", help="Of all parts of this one, in sequence.")
@organization_option
@json_option("Print NDJSON, a result a line.")
def results(*, request_id: str | None, conversation_id: str | None, organization: str, as_json: bool) -> None:
    """Show what became of each object of a call, or of all calls of a conversation."""
    if (request_id is None) == (conversation_id is None):
        raise click.UsageError("say a REQUEST_ID or --conversation CONVERSATION_ID, one of the two")
    with parts.opened(parts.load()) as database:
        if request_id is not None:
            _of_call(database, request_id, as_json=as_json)
        else:
            _of_conversation(database, organization, str(conversation_id), as_json=as_json)


def _of_call(database: "Database", request_id: str, *, as_json: bool) -> None:
    from mailq.admin import calls
    from mailq.core.call_result import as_mapping

    found = calls.show(database, None, request_id)
    if as_json:
        for each in found.results:
            print_ndjson(as_mapping(each))
    elif found.results:
        print_results(found.results)
    else:
        say(f"call {request_id} is {found.call.state}: it {'never runs' if found.call.state in OVER else 'has not run yet'}")


def _of_conversation(database: "Database", organization: str, conversation_id: str, *, as_json: bool) -> None:
    from mailq.admin import conversations

    rows = (as_row(each) for each in conversations.results(database, owner(database, organization), conversation_id))
    if as_json:
        for row in rows:
            print_ndjson(row)
        return
    shown: list[dict[str, Any]] = list(islice(rows, _MOST_SHOWN))
    if not shown:
        say(f"nothing of conversation {conversation_id} has run; `mailqctl call conversation` says why")
        return
    print_result_rows(shown, ("sequence_code",))
    if next(rows, None) is not None:
        say(f"these are the first {_MOST_SHOWN:,}; --json prints all")
