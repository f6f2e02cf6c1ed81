"""By address: what it got, and whether it may be mailed."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BeforeValidator

from mailq.admin import recipients, suppressions
from mailq.admin.keys import Scope
from mailq.admin.suppressions import Reason
from mailq.web.api.given import SuppressionIn
from mailq.web.api.operations import operation
from mailq.web.api.pages import LINK, Cursor, Limit, link_next
from mailq.web.api.parts import Admin, InParts, Reader, Sender, body_of
from mailq.web.api.paths import decoded
from mailq.web.api.views import ContactPage, ContactView, SuppressedView, SuppressionPage, SuppressionView

router = APIRouter()

Address = Annotated[
    str,
    Path(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f]+$", description="an address", examples=["ann@example.org"]),
    BeforeValidator(decoded),
]


@router.get("/v1/recipients/{address:path}/history", tags=["recipients"], **operation("get_history", scope=Scope.READ))
def history(caller: Reader, parts: InParts, address: Address) -> ContactPage:
    """Every mail that an address got or did not get, the newest first. The case of its letters does not count."""
    found = recipients.history(parts.database, caller.organization_id, address)
    return ContactPage(data=[ContactView.of(each) for each in found], next_cursor=None)


@router.get("/v1/suppressions", tags=["suppressions"], **operation("list_suppressions", scope=Scope.READ, answers=LINK))
def list_(
    *,
    caller: Reader,
    parts: InParts,
    request: Request,
    response: Response,
    limit: Limit = 100,
    cursor: Cursor = None,
    prefix: Annotated[
        str, Query(max_length=320, pattern=r"^[^\x00-\x1f\x7f]*$", description="what the address begins with")
    ] = "",
    reason: Annotated[Reason | None, Query(description="only these")] = None,
) -> SuppressionPage:
    """Addresses that are not mailed, in their order."""
    page = suppressions.list_(parts.database, caller.organization_id, limit=limit, cursor=cursor, prefix=prefix, reason=reason)
    link_next(request, response, page.next_cursor)
    views = [SuppressionView(**each._asdict()) for each in page.data]
    return SuppressionPage(data=views, next_cursor=page.next_cursor)


@router.post(
    "/v1/suppressions",
    tags=["suppressions"],
    response_model=SuppressedView,
    **operation(
        "add_suppression",
        scope=Scope.SEND,
        takes=SuppressionIn,
        status=201,
        answers={200: {"model": SuppressedView, "description": "It was suppressed already."}},
    ),
)
def add(
    caller: Sender, parts: InParts, response: Response, suppression: Annotated[SuppressionIn, body_of(SuppressionIn)]
) -> SuppressedView:
    """Mail an address no more. What is on its way to it is not called back."""
    reason = Reason(suppression.reason)
    created = suppressions.add(parts.database, caller.organization_id, suppression.address, reason, suppression.note)
    response.status_code = 201 if created else 200
    return SuppressedView(address=suppression.address, created=created)


@router.delete(
    "/v1/suppressions/{address:path}",
    tags=["suppressions"],
    response_class=Response,
    **operation("remove_suppression", scope=Scope.ADMIN, refuses=(404,), status=204),
)
def remove(caller: Admin, parts: InParts, address: Address) -> None:
    """Let an address be mailed again."""
    suppressions.remove(parts.database, caller.organization_id, address)
