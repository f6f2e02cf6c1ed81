"""Mailings on their way: filled, started, paused, resumed, cancelled."""

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query, Request

from mailq.admin import mailings
from mailq.admin.keys import Identity, Scope
from mailq.engine import drafting
from mailq.engine.drafting import Uploaded
from mailq.engine.intake import read_file
from mailq.errors import BadInput
from mailq.web.api.bodies import require_type
from mailq.web.api.mailings import MailingId
from mailq.web.api.operations import Takes, operation
from mailq.web.api.ordering import ADDRESS
from mailq.web.api.parts import InParts, Parts, Sender
from mailq.web.api.repeating import Key
from mailq.web.api.spooling import CSV, NDJSON, SUFFIXES, spool
from mailq.web.api.views import MailingView, UploadedView

router = APIRouter(tags=["mailings"])

_LINES = "\n".join(['{"address": "ann@example.org", "name": "Ann"}', '{"address": "bob@example.org", "name": "Bob"}', ""])
_TABLE = "email,name\nann@example.org,Ann\nbob@example.org,Bob\n"
UPLOAD = Takes(
    {
        NDJSON: {"schema": {"type": "string", "description": "one object a line"}, "example": _LINES},
        CSV: {"schema": {"type": "string", "description": "the first line names the columns"}, "example": _TABLE},
    },
    "In UTF-8, as large as you like; `Content-Encoding: gzip` is welcome. In NDJSON `address` is the address and everything else a "
    "variable; in CSV the address stands in a column `email`, `address` or the like, or in the one that the parameter names.",
)


@router.post(
    "/v1/mailings/{mailing_id}/recipients",
    response_model=UploadedView,
    **operation("upload_recipients", scope=Scope.SEND, takes=UPLOAD, repeatable=True, refuses=(404, 409)),
)
async def upload(
    *,
    caller: Sender,
    parts: InParts,
    request: Request,
    mailing_id: MailingId,
    key: Key,
    address_column: Annotated[
        str | None, Query(min_length=1, max_length=200, description="the name of the column with the address")
    ] = None,
) -> UploadedView:
    """Put recipients into a mailing, behind those that it has: all of this body, or nothing of it. May be done many times.

    Lines that are no recipients are counted and named, and take nothing from the others.
    """
    kind = require_type(request, NDJSON, CSV)
    # Asked before a body is taken that nobody could use.
    await to_thread.run_sync(mailings.find, parts.database, caller.organization_id, mailing_id)
    file = await spool(request, most_bytes=parts.max_upload)
    column = address_column or (ADDRESS if kind == NDJSON else None)

    def load() -> Uploaded:
        with read_file(file, "the body", suffix=SUFFIXES[kind], address_column=column) as source:
            return drafting.upload(parts.database, caller.organization_id, mailing_id, source, key=key)

    try:
        return UploadedView.of(await to_thread.run_sync(load, limiter=parts.uploads))
    except BadInput as error:
        error.field = error.field or "content"  # the body as a whole
        raise


@router.post(
    "/v1/mailings/{mailing_id}/start",
    **operation("start_mailing", scope=Scope.SEND, refuses=(404, 409), status=202),
)
def start(caller: Sender, parts: InParts, mailing_id: MailingId) -> MailingView:
    """Say that it has all its recipients: it is sent from now on, or from its scheduled time on."""
    with parts.database.begin() as tx:
        started = drafting.complete(tx, caller.organization_id, mailing_id)
    return _shown(caller, parts, started.public_id)


@router.post("/v1/mailings/{mailing_id}/pause", **operation("pause_mailing", scope=Scope.SEND, refuses=(404, 409)))
def pause(caller: Sender, parts: InParts, mailing_id: MailingId) -> MailingView:
    """Stop sending for now; what is on the wire is settled first."""
    return MailingView.of(mailings.pause(parts.database, caller.organization_id, mailing_id))


@router.post("/v1/mailings/{mailing_id}/resume", **operation("resume_mailing", scope=Scope.SEND, refuses=(404, 409)))
def resume(caller: Sender, parts: InParts, mailing_id: MailingId) -> MailingView:
    """Go on with a paused mailing."""
    return MailingView.of(mailings.resume(parts.database, caller.organization_id, mailing_id))


@router.post("/v1/mailings/{mailing_id}/cancel", **operation("cancel_mailing", scope=Scope.SEND, refuses=(404, 409)))
def cancel(caller: Sender, parts: InParts, mailing_id: MailingId) -> MailingView:
    """End a mailing for good; what has not begun is skipped."""
    return MailingView.of(mailings.cancel(parts.database, caller.organization_id, mailing_id))


@router.post(
    "/v1/mailings/{mailing_id}/resend",
    **operation("resend_mailing", scope=Scope.SEND, repeatable=True, refuses=(404, 409), status=202),
)
def resend(
    *,
    caller: Sender,
    parts: InParts,
    mailing_id: MailingId,
    key: Key,
    address: Annotated[
        list[Annotated[str, Query(min_length=1, max_length=1000)]] | None,
        Query(max_length=100, description="only these; may be repeated"),
    ] = None,
) -> MailingView:
    """Send errors again: to those that are named, or to all but who is suppressed or was in doubt. What was sent is left alone."""
    actor = f"key {caller.key_id}"
    summary = mailings.resend(parts.database, caller.organization_id, mailing_id, actor=actor, who=address or (), key=key)
    return MailingView.of(summary)


def _shown(caller: Identity, parts: Parts, public_id: str) -> MailingView:
    return MailingView.of(mailings.show(parts.database, caller.organization_id, public_id))
