"""Conversations: how they stand, what they lack, and what became of their parts."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BeforeValidator

from mailq.admin import conversations, maintenance, pages
from mailq.admin.conversations import Extracted
from mailq.admin.keys import Scope
from mailq.store import call_results
from mailq.web.api.call_views import (
    CallView,
    ConversationStateView,
    NotificationPage,
    PartResultPage,
    PartResultView,
    notifications,
)
from mailq.web.api.operations import operation
from mailq.web.api.pages import LINK, Cursor, Limit, link_next
from mailq.web.api.parts import InParts, Reader
from mailq.web.api.paths import decoded

router = APIRouter(tags=["conversations"])

ConversationId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="your own id for it, percent-encoded",
        examples=["spring sale"],
    ),
    BeforeValidator(decoded),
]


@router.get(
    "/v1/conversations/{conversation_id}", **operation("get_conversation", scope=Scope.READ, refuses=(404,), answers=LINK)
)
def show(
    *,
    caller: Reader,
    parts: InParts,
    request: Request,
    response: Response,
    conversation_id: ConversationId,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> ConversationStateView:
    """How a conversation stands, the sequence codes that are missing, and a page of its parts, in sequence."""
    shown = conversations.show(parts.database, caller.organization_id, conversation_id)
    page = conversations.parts(parts.database, caller.organization_id, conversation_id, limit=limit, cursor=cursor)
    link_next(request, response, page.next_cursor)
    return ConversationStateView.of(
        shown.conversation,
        missing=shown.missing,
        in_error=shown.in_error,
        parts=[CallView.of(each) for each in page.data],
        next_cursor=page.next_cursor,
        maintenance=maintenance.status(parts.database) is not None,
    )


@router.get(
    "/v1/conversations/{conversation_id}/results",
    **operation("list_conversation_results", scope=Scope.READ, refuses=(404,), answers=LINK),
)
def results(
    *,
    caller: Reader,
    parts: InParts,
    request: Request,
    response: Response,
    conversation_id: ConversationId,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> PartResultPage:
    """What became of the objects of all parts that have run, in sequence."""
    after = (0, 0) if cursor is None else _place(cursor)
    with parts.database.begin() as tx:
        row = conversations.required(tx, caller.organization_id, conversation_id).id
        found = call_results.of_conversation(tx, row, limit=limit + 1, after=after)
    page = pages.cut(found, limit, _cursor)
    link_next(request, response, page.next_cursor)
    return PartResultPage(data=[PartResultView.of_part(each) for each in page.data], next_cursor=page.next_cursor)


@router.get(
    "/v1/conversations/{conversation_id}/notifications",
    **operation("list_conversation_notifications", scope=Scope.READ, refuses=(404,)),
)
def list_notifications(caller: Reader, parts: InParts, conversation_id: ConversationId) -> NotificationPage:
    """What became of the answers about a conversation as a whole."""
    return notifications(conversations.show(parts.database, caller.organization_id, conversation_id).notifications)


def _cursor(last: Extracted) -> str:
    return f"{last.sequence_code}-{last.result.ordinal}"


def _place(cursor: str) -> tuple[int, int]:
    steps = cursor.split("-")
    if len(steps) != 2 or not all(step.isascii() and step.isdigit() and len(step) <= pages.SEQ_DIGITS for step in steps):
        raise pages.not_ours(cursor)
    return int(steps[0]), int(steps[1])
