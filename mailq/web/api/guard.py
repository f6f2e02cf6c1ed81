"""The body guard: how much a client may send, and how long it may take. It counts what comes, not what was announced."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mailq.web.api.problems import Problem

SLOWEST_BYTES_PER_S = 16 * 1024
"""What a body may take beyond the timeout, so that large ones may come over slow lines, and none for ever."""

_SMALL = 1 << 16
_LINGER_S = 5.0
_HURRY_S = 0.5


@dataclass(frozen=True, slots=True)
class BodyPolicy:
    """Limits of bodies: `max_upload` for recipients, `max_body` for all else."""

    max_body: int
    max_upload: int
    timeout: timedelta

    def limit(self, scope: Scope) -> int:
        """How many bytes a request may have."""
        return self.max_upload if scope["method"] == "POST" and scope["path"].endswith("/recipients") else self.max_body


class BodyGuard:
    """Stands before the application: 413 for what is too large, 408 for what comes too slowly.

    Where an answer goes out before its request is complete, the rest is read and thrown away for a while: a client that is still
    sending would lose the answer otherwise.
    """

    def __init__(self, app: ASGIApp, policy: BodyPolicy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(scope, receive, self._policy)
        if body.announced > body.limit:
            problem = body.too_large()
            await problem.response()(scope, receive, body.answering(send))
            return
        await self._app(scope, body.receive, body.answering(send))


class _Body:
    """The body of one request on its way."""

    def __init__(self, scope: Scope, receive: Receive, policy: BodyPolicy) -> None:
        headers = dict(scope["headers"])
        self.limit = policy.limit(scope)
        self.announced = _length(headers.get(b"content-length"))
        self.expects = b"expect" in headers
        self.complete = not self.announced and b"transfer-encoding" not in headers
        self._receive = receive
        self._num_bytes = 0
        self._timeout_s = policy.timeout.total_seconds()
        self._began_at = 0.0

    def too_large(self) -> Problem:
        return Problem(413, f"the body is larger than {self.limit:,} bytes")

    async def receive(self) -> Message:
        if self.complete:
            return await self._receive()
        message = await self._in_time()
        self._note(message)
        if self._num_bytes > self.limit:
            raise self.too_large()
        return message

    async def _in_time(self) -> Message:
        loop = asyncio.get_running_loop()
        self._began_at = self._began_at or loop.time()
        allowed_s = self._timeout_s + self._num_bytes / SLOWEST_BYTES_PER_S
        try:
            async with asyncio.timeout_at(self._began_at + allowed_s):
                return await self._receive()
        except TimeoutError:
            raise Problem(408, f"the body was not complete after {allowed_s:.0f} s") from None

    def _note(self, message: Message) -> None:
        if message["type"] == "http.request":
            self._num_bytes += len(message.get("body", b""))
        self.complete = not message.get("more_body", False)

    def answering(self, send: Send) -> Send:
        """Send an answer, and then hear out a client that is not done."""

        async def answer(message: Message) -> None:
            if not self.complete and message["type"] == "http.response.start":
                await self._hurry()
                if not self.complete:
                    message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            lingers = not self.complete and message["type"] == "http.response.body" and not message.get("more_body", False)
            if not lingers:
                await send(message)
                return
            await send({**message, "more_body": True})
            await self._linger()
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        return answer

    async def _hurry(self) -> None:
        """A small body is as good as here: read, it leaves the connection fit for the next request."""
        if self.expects or self.announced > _SMALL or self._num_bytes > _SMALL or self._began_at:
            return
        await self._throw_away(_SMALL, within_s=_HURRY_S)

    async def _linger(self) -> None:
        if not self.expects:
            await self._throw_away(self.limit, within_s=_LINGER_S)

    async def _throw_away(self, size_bytes: int, *, within_s: float) -> None:
        most = self._num_bytes + size_bytes
        try:
            async with asyncio.timeout(within_s):
                while not self.complete and self._num_bytes <= most:
                    self._note(await self._receive())
        except TimeoutError:
            pass


def _length(value: bytes | None) -> int:
    """What was announced; the server has refused what is no number."""
    return int(value) if value and value.isdigit() else 0
