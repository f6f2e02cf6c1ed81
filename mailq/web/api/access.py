"""Who asked for what, and how it ended: an id for every request, one line in the log, and what no answer may lack."""

import re
import secrets
import time
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mailq import telemetry
from mailq.web.api.problems import CLIENT_LEFT, failed

log = telemetry.logger(__name__)

_GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}\Z")
_ALWAYS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
NOTE = "mailq.note"
"""Where a request's note is found in its scope."""


@dataclass(slots=True)
class Note:
    """What is known of a request.

    Attributes:
        key_id: whose it is, once that is known.
        headers: what its answer shall say besides.
    """

    request_id: str
    key_id: str | None = None
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    status: int = CLIENT_LEFT


class Access:
    """The outermost part: gives the id, answers what nobody has caught, and writes the line."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_at = time.perf_counter()
        note = scope[NOTE] = Note(_request_id(scope))
        answer = _Answer(note, send)
        try:
            await self._app(scope, receive, answer)
        except Exception:
            log.exception("http.broken", request_id=note.request_id, route=_route(scope))
            if answer.begun:
                raise
            await failed().response()(scope, receive, answer)
        finally:
            _write(scope, note, time.perf_counter() - began_at)


class _Answer:
    """Sends, with the headers that every answer has."""

    def __init__(self, note: Note, send: Send) -> None:
        self.begun = False
        self._note = note
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            self._note.status = int(message["status"])  # the framework's may be an enum, which logs spell out
            given = list(message.get("headers", ()))
            named = {name for name, _ in given}
            standing = [pair for pair in _ALWAYS if pair[0] not in named]
            about = (b"x-request-id", self._note.request_id.encode())
            message = {**message, "headers": [*given, *standing, *self._note.headers, about]}
        await self._send(message)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _GIVEN_ID.match(value):
            return str(value, "ascii")
    return secrets.token_hex(8)


def _route(scope: Scope) -> str:
    """The pattern, not the path: that may name a recipient."""
    return getattr(scope.get("route"), "path", "-")


def _write(scope: Scope, note: Note, seconds: float) -> None:
    log.info(
        "http.request",
        method=scope["method"],
        route=_route(scope),
        status=note.status,
        ms=round(seconds * 1000, 1),
        key=note.key_id,
        request_id=note.request_id,
    )
