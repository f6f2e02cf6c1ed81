"""What became of every recipient of a mailing, as a file."""

from typing import Annotated, Literal

from anyio import to_thread
from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from mailq.admin import mailings
from mailq.admin.keys import Scope
from mailq.core.delivery import State
from mailq.web.api.exporting import HEADER, Spool, as_csv, as_ndjson
from mailq.web.api.holding import Held
from mailq.web.api.mailings import MailingId
from mailq.web.api.operations import operation
from mailq.web.api.parts import InParts, Reader
from mailq.web.api.spooling import CSV, NDJSON

router = APIRouter(tags=["mailings"])

_ANSWER = {
    200: {
        "description": "All of it, as long as the connection was not cut off. A key may have 4 open in each process.",
        "content": {CSV: {"schema": {"type": "string"}}, NDJSON: {"schema": {"type": "string"}}},
    }
}


@router.get(
    "/v1/mailings/{mailing_id}/export",
    response_class=StreamingResponse,
    **operation("export_mailing", scope=Scope.READ, refuses=(404, 409), answers=_ANSWER),
)
async def export(
    *,
    caller: Reader,
    parts: InParts,
    mailing_id: MailingId,
    format: Annotated[Literal["csv", "ndjson"], Query(description="of the file")] = "csv",  # noqa: A002 - as clients say it
    state: Annotated[list[State] | None, Query(description="only these; may be repeated")] = None,
) -> StreamingResponse:
    """What became of every recipient: the books of one moment, in the order the recipients came."""
    rows = await to_thread.run_sync(
        lambda: mailings.export(
            parts.database, caller.organization_id, mailing_id, states=state or (), message_id_domain=parts.message_id_domain
        )
    )
    as_table = format == "csv"
    parts.spools.take(caller.key_id)
    pieces = Spool(HEADER if as_table else b"").pieces(rows, as_csv if as_table else as_ndjson, parts.exports)
    disposition = {"Content-Disposition": f'attachment; filename="mailing.{format}"'}
    return Held(pieces, parts.spools, caller.key_id, CSV if as_table else NDJSON, disposition)
