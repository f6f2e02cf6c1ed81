"""How calls and their results look, and the option that says whose they are."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from mailq.cli.terminal import print_table

if TYPE_CHECKING:
    from mailq.admin.calls import CallResult, Extracted, Found, Notification
    from mailq.store.database import Database

request_argument = click.argument("request_id", metavar="REQUEST_ID")
organization_option = click.option("--organization", default="default", show_default=True, help="Whose it is.")

_RESULT = ("ordinal", "status", "type", "customer_key", "correlation_id", "object_id", "message", "pointer")
_PLACE = ("ended_at", "request_id", "conversation_id", "sequence_code", "method")
EXTRACT = (
    *(*_PLACE, "ordinal", "type", "customer_key", "correlation_id"),
    *("status", "object_id", "message", "pointer", "details"),
)
"""The columns of an extract, as the HTTP API has them."""


def owner(database: "Database", organization: str) -> int:
    """Whose calls it is about.

    Raises:
        NotFound: there is no such organization.
    """
    from mailq.admin import organizations

    return organizations.find(database, organization)


def as_document(call: "Found") -> dict[str, Any]:
    """A call as JSON has it: its row without inner ids, the time as its producer says it."""
    named = {name: getattr(call, name) for name in type(call).__slots__ if name not in {"id", "scheduled_at"}}
    return named | {"scheduled_time": call.scheduled_at}


def as_row(found: "Extracted") -> dict[str, Any]:
    """A result with the call that it is of."""
    from mailq.core.call_result import as_mapping

    return {name: getattr(found, name) for name in _PLACE} | as_mapping(found.result)


def standing_of(state: str) -> str:
    """Its state, as one says it behind "it is"."""
    return "in error" if state == "error" else state


def part(call: "Found") -> str | None:
    """Its place in its conversation."""
    return None if call.sequence_code is None else f"{call.sequence_code:,} of {call.calls_in_conversation:,}"


def print_results(results: "Iterable[CallResult]") -> None:
    """What became of the objects of one call."""
    from mailq.core.call_result import as_mapping

    print_result_rows(map(as_mapping, results), ())


def print_result_rows(rows: Iterable[Mapping[str, Any]], before: Sequence[str]) -> None:
    """A table of results.

    Args:
        before: what each row says first.
    """
    columns = (*before, *_RESULT)
    shown = {"ordinal": "#", "sequence_code": "part", "correlation_id": "correlation"}
    heads = [shown.get(name, name) for name in columns]
    cells = [[row[name] for name in columns] for row in rows]
    print_table(heads, cells, right=("#", "part"), optional=("object_id", "correlation", "pointer"))


def print_notifications(found: "Sequence[Notification]") -> None:
    """What became of answers."""
    columns = ("notification", "event", "address", "state", "attempts", "due", "reply")
    rows = [
        (each.notification_id, each.event, each.address, each.state, each.attempts, each.due_at, each.reply or each.message_id)
        for each in found
    ]
    print_table(columns, rows, right=("attempts",), optional=("event", "due"))
