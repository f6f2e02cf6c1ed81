"""uvicorn's protocol with our words: what is no HTTP is a problem too, nobody holds a connection without asking, and a stop is told."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mailq.web.api.problems import MEDIA_TYPE, Problem, title

STOPPING = "mailq.stopping"
"""An event in the state of the server: set when it stops, so that what would go on for ever ends."""

HEADERS_WITHIN_S = 20.0
"""How long the headers of a request may take, from its first byte, and a new connection to send one."""

LINGERS_FOR_S = 2.0
"""How long what comes behind a refusal is thrown away. Closed at once, the connection would be reset, and the answer be lost."""

MAX_HEADERS = 64 * 1024
"""Bytes of a request's line and headers; what comes in one piece is read to its end."""


class Protocol(HttpToolsProtocol):
    """One connection."""

    _patience: asyncio.TimerHandle | None = None
    _heading = False
    _num_heading = 0
    _refused = False

    def connection_made(self, transport: Any) -> None:
        """Wait for the first request, but not for ever."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._be_patient()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read; a request that has begun must go on."""
        if self._refused:
            return
        if self._patience is None and self._idle:
            self._wait()
        super().data_received(data)
        if not self._heading or self._refused:
            return
        self._num_heading += len(data)
        if self._num_heading > MAX_HEADERS and not self.transport.is_closing():
            self._refuse(Problem(431, f"the request's headers are larger than {MAX_HEADERS:,} bytes"))

    def on_message_begin(self) -> None:
        """Another request begins."""
        self._heading = True
        self._num_heading = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A request is here: from now on the body guard looks at the clock, and between requests uvicorn does."""
        self._heading = False
        self._be_patient()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._refuse(Problem(400, "this is no HTTP request"))

    def shutdown(self) -> None:
        """Tell what goes on for ever that the server stops, and end this connection after its answer."""
        if (stopping := self.app_state.get(STOPPING)) is not None:
            stopping.set()
        super().shutdown()

    def _refuse(self, problem: Problem) -> None:
        body = problem.body()
        head = (
            f"HTTP/1.1 {problem.status} {title(problem.status)}\r\ncontent-type: {MEDIA_TYPE}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self._refused = True
        self._be_patient()
        self.transport.write(head.encode() + body)
        if self._idle and self.transport.can_write_eof():
            self.transport.write_eof()
            self._patience = self.loop.call_later(LINGERS_FOR_S, self.transport.close)
        else:
            self.transport.close()

    @property
    def _idle(self) -> bool:
        cycle: Any = self.cycle  # None before the first request, which uvicorn's annotation does not say
        return cycle is None or cycle.response_complete

    def _wait(self) -> None:
        self._patience = self.loop.call_later(HEADERS_WITHIN_S, self._give_up)

    def _be_patient(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        if self._idle and not self.transport.is_closing():
            self.transport.close()
