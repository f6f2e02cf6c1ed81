"""Lists, a page at a time: what a page is asked with, and where the next one is."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query, Request, Response

from mailq.admin.pages import MOST

Limit = Annotated[int, Query(ge=1, le=MOST, description="items of the page")]
Cursor = Annotated[
    str | None, Query(min_length=1, max_length=500, pattern=r"^[!-~]+$", description="`next_cursor` of the page before")
]
LINK = {
    200: {"headers": {"Link": {"description": 'the next page, as `<…>; rel="next"` (RFC 8288)', "schema": {"type": "string"}}}}
}


def link_next(request: Request, response: Response, cursor: str | None) -> None:
    """Say where the next page is, if there is one."""
    if cursor is not None:
        query = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        following = f"{request.scope['raw_path'].decode()}?{urlencode([*query, ('cursor', cursor)])}"
        response.headers["Link"] = f'<{following}>; rel="next"'
