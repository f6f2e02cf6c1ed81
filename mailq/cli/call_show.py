"""`call show`."""

from typing import TYPE_CHECKING, Any

import click

from mailq.cli import parts
from mailq.cli.call_parts import as_document, part, print_notifications, print_results, request_argument
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.terminal import print_facts, print_json, print_line
from mailq.core.call import OVER

if TYPE_CHECKING:
    from mailq.admin.calls import Found, Shown
    from mailq.admin.maintenance import Maintenance


@click.command(
    context_settings=CONTEXT, epilog=examples("call show req_4fq0c8zj12ab34cd", "call show req_4fq0c8zj12ab34cd --json")
)
@request_argument
@json_option()
def show(*, request_id: str, as_json: bool) -> None:
    """Show a call, what became of its objects, and what became of the answers that it asked for."""
    from mailq.admin import calls, maintenance

    with parts.opened(parts.load()) as database:
        found = calls.show(database, None, request_id)
        standing = maintenance.status(database)
    if as_json:
        print_json(_document(found, standing))
    else:
        _print(found, standing)


def _document(found: "Shown", standing: "Maintenance | None") -> dict[str, Any]:
    from mailq.core.call_result import as_mapping

    answers = [each._asdict() for each in found.notifications]
    results = [as_mapping(each) for each in found.results]
    return as_document(found.call) | {"results": results, "notifications": answers, "maintenance": standing is not None}


def _print(found: "Shown", standing: "Maintenance | None") -> None:
    print_facts(_facts(found.call))
    if found.results:
        print_line("")
        print_results(found.results)
    if found.notifications:
        print_line("")
        print_notifications(found.notifications)
    if standing is not None and found.call.state not in OVER:
        print_line("")
        print_line(f"  ! nothing is run now: {standing}")


def _facts(call: "Found") -> dict[str, Any]:
    return {
        "call": call.request_id,
        "key": call.key,
        "state": call.state,
        "error": call.error,
        "method": call.method,
        "objects": call.num_objects,
        "priority": call.priority,
        "conversation": call.conversation_id,
        "part": part(call),
        "received": call.received_at,
        "scheduled": call.scheduled_at,
        "ended": call.ended_at,
    }
