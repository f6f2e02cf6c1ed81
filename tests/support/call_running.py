"""Calls of ordinary kinds, received and run as the leader does."""

from collections.abc import Mapping, Sequence
from typing import Any

from mailq.admin import calls
from mailq.core.call_result import CallResult
from mailq.engine.calls import order
from mailq.engine.calls.addresses import UNJUDGED
from mailq.engine.calls.answering import Answering
from mailq.engine.calls.kind import Means
from mailq.engine.calls.receiving import Received
from mailq.engine.calls.running import Runner
from mailq.engine.calls.terms import Terms
from mailq.store.database import Database

TERMS = Terms()
RESPOND = Answering("Shop <calls@shop.example>")


def suppress(*addresses: str, **options: Any) -> dict[str, Any]:
    """A call that suppresses addresses; one of `nobody` says of somebody unknown that they may be mailed again, which is an error."""
    objects = [{"type": "suppression", "address": each, "correlation_id": f"c-{each}"} for each in addresses]
    return {"method": "create", "objects": objects, "options": options}


def release(*addresses: str, **options: Any) -> dict[str, Any]:
    """A call that lets addresses be mailed again: in error for those that are not suppressed."""
    return suppress(*addresses, **options) | {"method": "delete"}


def part(code: int, length: int, said: Mapping[str, Any], *, of: str = "c") -> dict[str, Any]:
    """A call as a part of a conversation."""
    place = {"conversation_id": of, "sequence_code": code, "calls_in_conversation": length}
    return {**said, "options": {**said["options"], **place}}


def send(database: Database, said: Mapping[str, Any], *, organization_id: int = 1) -> Received:
    """Send a call."""
    return calls.send(database, organization_id, order.read(said, policy=UNJUDGED), terms=TERMS)


def run_all(database: Database) -> None:
    """Run what can be run."""
    runner = Runner(database, Means, RESPOND, terms=TERMS)
    while runner.run_due():
        pass


def messages(results: Sequence[CallResult]) -> list[str]:
    """What results say."""
    return [each.message for each in results]
