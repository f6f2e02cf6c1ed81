"""Live progress of a mailing, as server-sent events."""

from functools import partial
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse

from mailq.admin import mailings
from mailq.admin.keys import Identity, Scope
from mailq.core.mailing import State
from mailq.web.api.callers import require_scope
from mailq.web.api.events import Seen
from mailq.web.api.holding import Held
from mailq.web.api.mailings import MailingId
from mailq.web.api.operations import operation
from mailq.web.api.parts import InParts, Parts, Reader
from mailq.web.api.views import MailingView

router = APIRouter(tags=["mailings"])

_ENDED = frozenset({State.FINISHED, State.CANCELLED, State.EXPIRED})
_EXAMPLE = 'event: progress\nid: 1f0c33aa\ndata: {"id":"mlg_0123456789abcdef","state":"running","num_sent":40}\n\n'
_ANSWERS: dict[int, dict[str, Any]] = {
    200: {
        "description": "Events `progress` with the mailing as `GET` shows it, at most one a second, and `end` when it has ended; `error` "
        "with a problem if the key is good no more, the mailing is gone, or mailq is at fault. A key may have 100 open in each process.",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
    },
    204: {"description": "It has ended, and `Last-Event-ID` says that you know."},
}


@router.get(
    "/v1/mailings/{mailing_id}/events",
    response_class=StreamingResponse,
    response_model=None,
    **operation("watch_mailing", scope=Scope.READ, refuses=(404, 409), answers=_ANSWERS),
)
async def watch(
    *,
    caller: Reader,
    parts: InParts,
    request: Request,
    mailing_id: MailingId,
    last_event_id: Annotated[str | None, Header(max_length=100, description="the `id` of the last event you know")] = None,
) -> Response:
    """How far a mailing is, told whenever that changes, until it has ended. A comment comes every 15 seconds where nothing changes."""

    async def look(reference: str) -> Seen:
        return await to_thread.run_sync(_look, caller, parts, reference)

    async def admit() -> None:
        require_scope(await parts.callers.identify(request.headers.get("authorization")), Scope.READ)

    seen = await look(mailing_id)
    if seen.ended and seen.id == last_event_id:
        return Response(status_code=204)
    mailing = seen.document["id"]
    parts.watches.take(caller.key_id)
    events = parts.watching.events(mailing, seen, partial(look, mailing), admit, last_id=last_event_id)
    return Held(events, parts.watches, caller.key_id, "text/event-stream", {"X-Accel-Buffering": "no"})


def _look(caller: Identity, parts: Parts, reference: str) -> Seen:
    summary = mailings.show(parts.database, caller.organization_id, reference)
    return Seen.of(MailingView.of(summary).model_dump(mode="json"), ended=summary.mailing.state in _ENDED)
