"""Mailings: made, found and listed."""

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BeforeValidator

from mailq.admin import mailings
from mailq.admin.keys import Identity, Scope
from mailq.core.delivery import State as DeliveryState
from mailq.core.mailing import State
from mailq.engine import making
from mailq.web.api import ordering
from mailq.web.api.given import MailingIn
from mailq.web.api.operations import operation
from mailq.web.api.pages import LINK, Cursor, Limit, link_next
from mailq.web.api.parts import InParts, Parts, Reader, Sender, body_of
from mailq.web.api.paths import decoded
from mailq.web.api.repeating import Key, one_key
from mailq.web.api.views import DeliveryPage, DeliveryView, MadeMailing, MailingPage, MailingView

router = APIRouter(tags=["mailings"])

MailingId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="its id, or your key for it",
        examples=["mlg_0123456789abcdef"],
    ),
    BeforeValidator(decoded),
]


@router.post(
    "/v1/mailings",
    response_model=MadeMailing,
    **operation(
        "create_mailing",
        scope=Scope.SEND,
        takes=MailingIn,
        repeatable=True,
        refuses=(409,),
        status=201,
        answers={200: {"model": MadeMailing, "description": "It was made by an earlier request of the same key."}},
    ),
)
async def create(
    caller: Sender, parts: InParts, key: Key, response: Response, mailing: Annotated[MailingIn, body_of(MailingIn)]
) -> MadeMailing:
    """Make a mailing, with its recipients if they are few; all of it, or nothing.

    More recipients are uploaded, in as many parts as you like; then it is started. Until then nothing is sent.
    """
    chosen = one_key(key, mailing.key)
    made = await to_thread.run_sync(lambda: _create(caller, parts, mailing, chosen))
    response.status_code = 201 if made.created else 200
    response.headers["Location"] = f"/v1/mailings/{made.id}"
    return made


@router.get("/v1/mailings", **operation("list_mailings", scope=Scope.READ, answers=LINK))
def list_(
    *,
    caller: Reader,
    parts: InParts,
    request: Request,
    response: Response,
    limit: Limit = 50,
    cursor: Cursor = None,
    state: Annotated[list[State] | None, Query(description="only these; may be repeated")] = None,
) -> MailingPage:
    """Mailings with their books, the newest first."""
    page = mailings.list_(parts.database, caller.organization_id, limit=limit, cursor=cursor, states=state or ())
    link_next(request, response, page.next_cursor)
    return MailingPage(data=[MailingView.of(each) for each in page.data], next_cursor=page.next_cursor)


@router.get("/v1/mailings/{mailing_id}", **operation("get_mailing", scope=Scope.READ, refuses=(404, 409)))
def show(caller: Reader, parts: InParts, mailing_id: MailingId) -> MailingView:
    """A mailing with its books, both of one moment."""
    return MailingView.of(mailings.show(parts.database, caller.organization_id, mailing_id))


@router.get(
    "/v1/mailings/{mailing_id}/deliveries", **operation("list_deliveries", scope=Scope.READ, refuses=(404, 409), answers=LINK)
)
def deliveries(
    *,
    caller: Reader,
    parts: InParts,
    request: Request,
    response: Response,
    mailing_id: MailingId,
    limit: Limit = 100,
    cursor: Cursor = None,
    state: Annotated[DeliveryState | None, Query(description="only these")] = None,
) -> DeliveryPage:
    """What became of its recipients, in the order they came."""
    found = mailings.find(parts.database, caller.organization_id, mailing_id)
    page = mailings.deliveries(parts.database, caller.organization_id, found.public_id, state=state, limit=limit, cursor=cursor)
    link_next(request, response, page.next_cursor)
    views = [DeliveryView.of_row(found.public_id, each) for each in page.data]
    return DeliveryPage(data=views, next_cursor=page.next_cursor)


def _create(caller: Identity, parts: Parts, mailing: MailingIn, key: str | None) -> MadeMailing:
    order = ordering.order(mailing, key=key, organization=caller.organization, parts=parts)
    source = ordering.source(mailing.recipients) if mailing.recipients else None
    try:
        with parts.database.begin() as tx:
            digest = ordering.digest(order, source, start=mailing.start)
            made, created = making.make(tx, caller.organization_id, order, source, start=mailing.start, digest=digest)
    finally:
        if source is not None:
            source.close()
    return MadeMailing.of(mailings.show(parts.database, caller.organization_id, made.public_id), created=created)
