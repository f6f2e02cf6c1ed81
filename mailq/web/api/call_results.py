"""The results of a time range, as a file."""

import csv
import io
import json
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BeforeValidator, WithJsonSchema

from mailq.admin import calls
from mailq.admin.calls import After, Extracted
from mailq.admin.keys import Scope
from mailq.store.database import moment
from mailq.web.api.holding import Held
from mailq.web.api.operations import operation
from mailq.web.api.parts import InParts, Parts, Reader
from mailq.web.api.problems import unfit
from mailq.web.api.spooling import CSV, NDJSON

router = APIRouter(tags=["calls"])

COLUMNS = (
    *("ended_at", "request_id", "conversation_id", "sequence_code", "method", "ordinal", "type", "customer_key"),
    *("correlation_id", "status", "object_id", "message", "pointer", "details"),
)
_ANSWER = {
    200: {
        "description": "All of it, as long as the connection was not cut off. A key may have 4 open in each process.",
        "content": {CSV: {"schema": {"type": "string"}}, NDJSON: {"schema": {"type": "string"}}},
    }
}
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode
_Page = tuple[list[Extracted], After | None]
_Read = Callable[[After | None], _Page]


def _moment(said: object) -> datetime:
    """As in bodies: a time with its zone, of this age."""
    found = None
    if isinstance(said, str) and said.isascii() and "T" in said.upper():
        try:
            found = datetime.fromisoformat(said)
        except ValueError:
            found = None
    if found is None or found.tzinfo is None or not 2000 <= found.year < 2200:
        raise ValueError("must be a time with its zone, such as 2026-12-24T18:00:00Z; in an address a plus is written %2B")
    return found.astimezone(UTC)


Time = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]


@router.get(
    "/v1/call-results",
    response_class=StreamingResponse,
    **operation("extract_call_results", scope=Scope.READ, answers=_ANSWER),
)
async def extract(
    *,
    caller: Reader,
    parts: InParts,
    since: Annotated[Time, Query(alias="from", description="calls that ended then, or later", examples=["2026-12-01T00:00:00Z"])],
    until: Annotated[
        Time | None, Query(alias="to", description="and before this; now, if it is not said", examples=["2026-12-02T00:00:00Z"])
    ] = None,
    format: Annotated[Literal["csv", "ndjson"], Query(description="of the file")] = "csv",  # noqa: A002 - as clients say it
) -> StreamingResponse:
    """What became of the objects of all calls that ended in a time range, in the order of their ends; one line for each object."""
    end = until if until is not None else await to_thread.run_sync(_now, parts)
    if not since < end:
        raise unfit(
            "the time range has no length", {"parameter": "to" if until else "from", "detail": "`to` must be later than `from`"}
        )
    parts.spools.take(caller.key_id)
    try:
        read = partial(_page, parts, caller.organization_id, since, end)
        first = await to_thread.run_sync(read, None, limiter=parts.exports)
    except BaseException:
        parts.spools.leave(caller.key_id)
        raise
    as_table = format == "csv"
    disposition = {"Content-Disposition": f'attachment; filename="call-results.{format}"'}
    return Held(
        _pieces(first, read, parts, as_table=as_table), parts.spools, caller.key_id, CSV if as_table else NDJSON, disposition
    )


async def _pieces(first: _Page, read: _Read, parts: Parts, *, as_table: bool) -> AsyncGenerator[bytes]:
    """A page a transaction: whoever reads slowly holds up nothing."""
    encode = _as_csv if as_table else _as_ndjson
    if as_table:
        yield ",".join(COLUMNS).encode() + b"\n"
    page, after = first
    while page:
        yield await to_thread.run_sync(encode, page, limiter=parts.exports)
        if after is None:
            return
        page, after = await to_thread.run_sync(read, after, limiter=parts.exports)


def _page(parts: Parts, organization_id: int, since: datetime, until: datetime, after: After | None) -> _Page:
    return calls.extract_page(parts.database, organization_id, since=since, until=until, after=after)


def _now(parts: Parts) -> datetime:
    with parts.database.begin() as tx:
        return moment(tx)


def _as_csv(rows: Sequence[Extracted]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(map(_cells, rows))
    return text.getvalue().encode()


def _as_ndjson(rows: Sequence[Extracted]) -> bytes:
    return b"".join(_encode(_line(row)).encode() + b"\n" for row in rows)


def _cells(row: Extracted) -> Iterator[object]:
    for value in _line(row).values():
        yield "" if value is None else _encode(value) if isinstance(value, Mapping) else value


def _line(row: Extracted) -> dict[str, Any]:
    of_call = {name: getattr(row, name) for name in ("request_id", "conversation_id", "sequence_code")}
    known = of_call | {"ended_at": row.ended_at.isoformat(), "method": row.method.value, "type": row.result.object_type}
    return {name: known[name] if name in known else getattr(row.result, name) for name in COLUMNS}
