"""Answers: made in the transaction that ends a call or its conversation, and sent from there by others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection

from mailq.core.call import Method, State
from mailq.core.call_result import CallResult
from mailq.core.conversation import State as ConversationState
from mailq.engine.calls.order import Response


@dataclass(frozen=True, slots=True)
class EndedCall:
    """A call that has just ended: finished, in error, not run or cancelled.

    Attributes:
        call_id: its row.
        conversation_id: the producer's; None outside of any conversation: such a call is a conversation of one part, and
            the answers about that are made with those of the call.
        error: why it is in error, or never runs.
        objects: as they were received, for the results; none of a call that never ran.
        results: in the order of the objects; none of a call that never ran.
    """

    organization_id: int
    call_id: int
    request_id: str
    method: Method
    state: State
    ended_at: datetime
    num_objects: int
    responses: Sequence[Response]
    objects: Sequence[Mapping[str, Any]] = ()
    results: Sequence[CallResult] = ()
    conversation_id: str | None = None
    sequence_code: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class EndedConversation:
    """A conversation that has just finished or gone into error. What answers its parts want is asked of the database.

    Attributes:
        row: its id in the database.
        conversation_id: the producer's.
        num_run: parts that have run, the one in error included.
        sequence_code: of the part in error, if one was.
    """

    organization_id: int
    row: int
    conversation_id: str
    state: ConversationState
    ended_at: datetime
    calls_in_conversation: int
    num_run: int
    sequence_code: int | None = None
    error: str | None = None


class Respond(Protocol):
    """Makes the answers that are wanted, within the caller's transaction; whoever asks for none costs no statement."""

    def call(self, tx: Connection, ended: EndedCall) -> None:
        """A call has ended."""

    def conversation(self, tx: Connection, ended: EndedConversation) -> None:
        """A conversation has ended; its parts and their results are in the database already."""
