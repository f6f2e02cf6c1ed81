"""`call conversation`."""

from typing import TYPE_CHECKING, Any

import click

from mailq.cli import parts
from mailq.cli.call_parts import as_document, organization_option, owner, print_notifications
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.terminal import print_facts, print_json, print_line, print_table

if TYPE_CHECKING:
    from mailq.admin.conversations import Call, Shown
    from mailq.admin.pages import Page

_MOST_NAMED = 20


@click.command(context_settings=CONTEXT, epilog=examples("call conversation order-4711", "call conversation order-4711 --json"))
@click.argument("conversation_id", metavar="CONVERSATION_ID")
@organization_option
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many parts to show.")
@click.option("--cursor", metavar="N", help="Only the parts behind part N.")
@json_option()
def conversation(*, conversation_id: str, organization: str, limit: int, cursor: str | None, as_json: bool) -> None:
    """Show a conversation: how far it is, which parts are missing, and, if it is in error, why and by which part."""
    from mailq.admin import conversations

    with parts.opened(parts.load()) as database:
        whose = owner(database, organization)
        found = conversations.show(database, whose, conversation_id)
        page = conversations.parts(database, whose, conversation_id, limit=limit, cursor=cursor)
    if as_json:
        print_json(_document(found, page))
    else:
        _print(found, page)


def _document(found: "Shown", page: "Page[Call]") -> dict[str, Any]:
    row = found.conversation
    return {
        **{name: getattr(row, name) for name in type(row).__slots__ if name != "id"},
        "missing": found.missing,
        "in_error": found.in_error,
        "notifications": [each._asdict() for each in found.notifications],
        "parts": [as_document(each) for each in page.data],
        "next_cursor": page.next_cursor,
    }


def _print(found: "Shown", page: "Page[Call]") -> None:
    print_facts(_facts(found))
    if page.data:
        print_line("")
        rows = [
            (each.sequence_code, each.request_id, each.method, each.num_objects, each.state, each.ended_at, each.error)
            for each in page.data
        ]
        columns = ("part", "request", "method", "objects", "state", "ended", "error")
        print_table(columns, rows, right=("part", "objects"), optional=("method", "ended"))
    if page.next_cursor is not None:
        print_line(f"  … `--cursor {page.next_cursor}` shows the next")
    if found.notifications:
        print_line("")
        print_notifications(found.notifications)


def _facts(found: "Shown") -> dict[str, Any]:
    row = found.conversation
    return {
        "conversation": row.conversation_id,
        "state": row.state,
        "error": row.error,
        "part in error": found.in_error,
        "parts": f"{row.num_received:,} of {row.calls_in_conversation:,} received, {row.num_run:,} run",
        "missing": _named(found.missing),
        "created": row.created_at,
        "last part": row.last_part_at,
        "ended": row.ended_at,
    }


def _named(missing: list[int] | None) -> str | None:
    if missing is None:
        return "not known any more: its parts are deleted"
    if not missing:
        return None
    return ", ".join(str(code) for code in missing[:_MOST_NAMED]) + (", …" if len(missing) > _MOST_NAMED else "")
