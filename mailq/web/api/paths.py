"""Paths: a slash that a client has encoded belongs to a name, and ends no part of the path."""

import re
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

_KEPT = re.compile(rb"%(2f|25)", re.IGNORECASE)
_ENCODED = re.compile("%(2F|25)", re.IGNORECASE)


class Paths:
    """Stands before the router, which knows decoded paths alone: in those `%2F` stays as it is, and so does `%25`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        raw = scope.get("raw_path")
        if raw and _KEPT.search(raw):
            scope["path"] = unquote(_KEPT.sub(rb"%25\1", raw).decode("latin-1"))
        await self._app(scope, receive, send)


def decoded(part: str) -> str:
    """What a client meant by a part of the path; for parameters that may hold a slash."""
    return _ENCODED.sub(lambda found: unquote(found[0]), part)
