"""For operators and watchers: servers, what waits, and what is in doubt."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from mailq.admin import backlog, doubts, maintenance, servers
from mailq.admin.doubts import Doubt, Verdict
from mailq.admin.keys import Scope
from mailq.web.api.given import DoubtsIn
from mailq.web.api.operations import operation
from mailq.web.api.pages import LINK, Cursor, Limit, link_next
from mailq.web.api.parts import Admin, InParts, Reader, body_of
from mailq.web.api.standing import BacklogView, DoubtPage, DoubtView, LaneView, ResolvedView, ServerPage, ServerView

router = APIRouter(tags=["operations"])


@router.get("/v1/servers", **operation("list_servers", scope=Scope.ADMIN))
def list_servers(caller: Admin, parts: InParts) -> ServerPage:
    """Every server that ever started."""
    return ServerPage(data=[ServerView.of(each) for each in servers.list_(parts.database)], next_cursor=None)


@router.get("/v1/backlog", **operation("get_backlog", scope=Scope.READ))
def get_backlog(caller: Reader, parts: InParts) -> BacklogView:
    """What waits in each lane: what an autoscaler asks."""
    lanes = [LaneView.of(each) for each in backlog.of(parts.database)]
    return BacklogView(data=lanes, maintenance=maintenance.status(parts.database) is not None)


@router.get("/v1/doubts", **operation("list_doubts", scope=Scope.READ, refuses=(404, 409), answers=LINK))
def list_doubts(
    *,
    caller: Reader,
    parts: InParts,
    request: Request,
    response: Response,
    mailing: Annotated[
        str | None, Query(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$", description="only of this one")
    ] = None,
    reason: Annotated[Doubt | None, Query(description="only for this reason")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> DoubtPage:
    """What is in doubt, in the order of the mailings and their recipients."""
    page = doubts.list_(parts.database, caller.organization_id, reference=mailing, reason=reason, limit=limit, cursor=cursor)
    link_next(request, response, page.next_cursor)
    return DoubtPage(data=[DoubtView.of(each) for each in page.data], next_cursor=page.next_cursor)


@router.post(
    "/v1/doubts/resolve",
    response_model=ResolvedView,
    **operation("resolve_doubts", scope=Scope.ADMIN, takes=DoubtsIn, refuses=(404, 409)),
)
def resolve(caller: Admin, parts: InParts, said: Annotated[DoubtsIn, body_of(DoubtsIn)]) -> ResolvedView:
    """Say what becomes of deliveries in doubt: of one recipient, of all that have one reason, or of a whole mailing."""
    settled = doubts.resolve(
        parts.database,
        caller.organization_id,
        said.mailing,
        Verdict(said.verdict),
        actor=f"key {caller.key_id}",
        who=[said.address] if said.address else (),
        reason=Doubt(said.reason) if said.reason else None,
    )
    return ResolvedView(num=settled.num)
