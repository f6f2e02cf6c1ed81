"""Calls: received here and run later, or run at once; found, listed and taken back."""

import json
from functools import partial
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Path, Query, Request, Response

from mailq.admin import calls, maintenance
from mailq.admin.keys import Scope
from mailq.core.call import RequestType, State
from mailq.errors import Conflict
from mailq.web.api import calling
from mailq.web.api.call_schemas import TAKES
from mailq.web.api.call_views import (
    CallPage,
    CallResultView,
    CallStateView,
    CallView,
    NotificationPage,
    ReceivedCallView,
    RunCallView,
    notifications,
    received,
)
from mailq.web.api.operations import operation
from mailq.web.api.pages import LINK, Cursor, Limit, link_next
from mailq.web.api.parts import InParts, Reader, Sender, allowed, parts_of

router = APIRouter(tags=["calls"])

RequestId = Annotated[str, Path(pattern="^req_[0-9a-z]{1,40}$", description="its id", examples=["req_0123456789abcdef"])]


@router.post(
    "/v1/calls",
    response_model=ReceivedCallView,
    **operation(
        "send_call",
        scope=Scope.SEND,
        takes=TAKES,
        repeatable=True,
        refuses=(409,),
        status=202,
        answers={200: {"model": RunCallView, "description": "It was synchronous, and has run."}},
    ),
)
async def send(request: Request) -> Response:
    """Receive a call, to be run once: when it is its turn, at its time, by its priority. Answered when it is stored, also in maintenance.

    A synchronous one is run before it is answered, and refused with 503 in maintenance.
    """
    # Asked for by hand: each dependency of the framework's costs as much as a tenth of all that is done here.
    parts, caller = parts_of(request), await allowed(request, Scope.SEND)
    order, by_header = await calling.read(request, parts.call_rules.policy)
    calling.require_allowed(caller, order)
    try:
        if order.request_type is RequestType.SYNCHRONOUS:
            run = partial(calling.run, parts.database, caller.organization_id, order, parts.call_rules)
            ended = await to_thread.run_sync(run, limiter=parts.at_once)
            answer, status, request_id = RunCallView.of(ended).model_dump_json(), 200, ended.request_id
        else:
            taken = await parts.calls.accept(caller.organization_id, order)
            answer, status, request_id = (
                json.dumps(received(taken.call, maintenance=taken.maintenance)),
                202,
                taken.call.request_id,
            )
    except Conflict as error:
        raise calling.of_the_header(error) if by_header else error from None
    return Response(answer, status, {"Location": f"/v1/calls/{request_id}"}, media_type="application/json")


@router.get("/v1/calls", **operation("list_calls", scope=Scope.READ, answers=LINK))
def list_(
    *,
    caller: Reader,
    parts: InParts,
    request: Request,
    response: Response,
    limit: Limit = 50,
    cursor: Cursor = None,
    state: Annotated[list[State] | None, Query(description="only these; may be repeated")] = None,
) -> CallPage:
    """Calls, the newest first."""
    page = calls.list_(parts.database, caller.organization_id, limit=limit, cursor=cursor, states=state or ())
    link_next(request, response, page.next_cursor)
    return CallPage(data=[CallView.of(each) for each in page.data], next_cursor=page.next_cursor)


@router.get("/v1/calls/{request_id}", **operation("get_call", scope=Scope.READ, refuses=(404,)))
def show(caller: Reader, parts: InParts, request_id: RequestId) -> CallStateView:
    """How a call stands, and what became of each of its objects."""
    shown = calls.show(parts.database, caller.organization_id, request_id)
    results = [CallResultView.of(each) for each in shown.results]
    return CallStateView.of(shown.call, results=results, maintenance=maintenance.status(parts.database) is not None)


@router.delete("/v1/calls/{request_id}", **operation("cancel_call", scope=Scope.SEND, refuses=(404, 409)))
def cancel(caller: Sender, parts: InParts, request_id: RequestId) -> CallView:
    """Take a call back that has not run; once more is no mistake. A part of a conversation is not taken back."""
    return CallView.of(calls.cancel(parts.database, caller.organization_id, request_id, respond=parts.call_rules.respond))


@router.get("/v1/calls/{request_id}/notifications", **operation("list_call_notifications", scope=Scope.READ, refuses=(404,)))
def list_notifications(caller: Reader, parts: InParts, request_id: RequestId) -> NotificationPage:
    """What became of the answers that a call has asked for. Those about its conversation are the conversation's."""
    return notifications(calls.show(parts.database, caller.organization_id, request_id).notifications)
