"""A producer takes a call back that has not run."""

from sqlalchemy import Connection

from mailq.core.call import OVER, State
from mailq.engine.calls import ending
from mailq.engine.calls.responses import Respond
from mailq.errors import Conflict, NotFound
from mailq.store import calls
from mailq.store.calls import Found

_WHY = "taken back before it ran"


def cancel(tx: Connection, organization_id: int | None, request_id: str, *, respond: Respond) -> Found:
    """Take a call back; one that was taken back before is no mistake. The call as it stands then.

    Args:
        organization_id: whose; None for an operator.

    Raises:
        NotFound: the organization has no such call, or it has been pruned.
        Conflict: it has run or is just running, or is a part of a conversation, whose other parts count on it.
    """
    found = calls.find(tx, organization_id, request_id)
    if found is None:
        raise NotFound(f"there is no call `{request_id}`")
    if found.state is State.CANCELLED:
        return found
    if found.conversation_id is not None:
        raise Conflict(f"call {request_id} is a part of conversation `{found.conversation_id}`, and runs or not with that")
    if found.state in OVER:
        raise Conflict(f"call {request_id} has run already; it is {'in ' if found.state is State.ERROR else ''}{found.state}")
    if not ending.end_cancelled(tx, found.id, respond, why=_WHY):
        raise Conflict(f"call {request_id} is just being run")
    again = calls.find(tx, organization_id, request_id)
    assert again is not None
    return again
