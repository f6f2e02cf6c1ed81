"""Single messages: accepted here, sent by whoever serves their lane, and found again."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Path, Request, Response

from mailq.admin.keys import Scope
from mailq.engine import messages
from mailq.engine.messages import MessageOrder
from mailq.web.api.bodies import AT_ONCE, read_body
from mailq.web.api.given import MessageIn
from mailq.web.api.operations import operation
from mailq.web.api.parts import InParts, Reader, allowed, parts_of
from mailq.web.api.problems import pointer, unfit
from mailq.web.api.repeating import given_key, one_key
from mailq.web.api.views import AcceptedView, MessageView

router = APIRouter(tags=["messages"])

_PARTS = ("subject", "text", "html", "reply_to", "to_name", "headers", "variables")
MessageId = Annotated[str, Path(pattern="^msg_[0-9a-z]{1,40}$", description="its id", examples=["msg_0123456789abcdef"])]


@router.post(
    "/v1/messages",
    response_model=AcceptedView,
    **operation("send_message", scope=Scope.SEND, takes=MessageIn, repeatable=True, refuses=(409,), status=202),
)
async def send(request: Request) -> Response:
    """Accept a message; it is sent at once. Answered when it is stored, whatever happens then."""
    # Asked for by hand: each dependency of the framework's costs as much as a tenth of all that is done here.
    parts, caller = parts_of(request), await allowed(request, Scope.SEND)
    message = await read_body(MessageIn, request)
    key = one_key(given_key(request), message.key)
    order = await _ordered(message, key=key, doubt_policy=message.doubt_policy or parts.doubt_policy)
    taken = await parts.messages.accept(caller.organization_id, order)
    answer = json.dumps({"id": taken.public_id, "created": taken.created})
    return Response(answer, 202, {"Location": f"/v1/messages/{taken.public_id}"}, media_type="application/json")


@router.get("/v1/messages/{message_id}", **operation("get_message", scope=Scope.READ, refuses=(404,)))
def find(caller: Reader, parts: InParts, message_id: MessageId) -> MessageView:
    """What became of a message: `accepted` until it has its place in a stream, then as its delivery is."""
    with parts.database.begin() as tx:
        return MessageView.of(messages.find(tx, caller.organization_id, message_id))


async def _ordered(message: MessageIn, **options: Any) -> MessageOrder:
    """The order. Few literal words are judged at once; what has to be executed or taken apart would keep other requests waiting."""
    if message.mime is not None:
        return await to_thread.run_sync(lambda: _ready_made(message, options))
    if message.variables is not None or _num_chars(message) > AT_ONCE:
        return await to_thread.run_sync(lambda: _templated(message, options))
    return _templated(message, options)


def _num_chars(message: MessageIn) -> int:
    return len(message.text or "") + len(message.html or "") + sum(map(len, message.headers.values()))


def _templated(message: MessageIn, options: Mapping[str, Any]) -> MessageOrder:
    given = {name: getattr(message, name) for name in _PARTS}
    if given["subject"] is None:
        raise unfit("subject: is missing", {"pointer": "#/subject", "detail": "is missing"})
    return messages.order(to=message.to, sender=message.sender, lane=message.lane, **given, **options)


def _ready_made(message: MessageIn, options: Mapping[str, Any]) -> MessageOrder:
    for name in _PARTS:
        if getattr(message, name):
            raise unfit(
                "a mail that is ready has its parts in `mime`", {"pointer": pointer(name), "detail": "is said beside `mime`"}
            )
    mime = str(message.mime).encode()
    return messages.ready_made(mime, message.to, message.sender, lane=message.lane, **options)
