"""Posts webhooks: one attempt each, within its time, to where it may go, and no further than that."""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import SplitResult, urlsplit

from httpcore2 import (
    URL,
    AsyncConnectionPool,
    ConnectTimeout,
    NetworkError,
    ProtocolError,
    Request,
    Response,
    TimeoutException,
    UnsupportedProtocol,
)

from mailq.clock import Clock
from mailq.core.networks import Network
from mailq.core.notification import Answer
from mailq.transports.webhooks import signing
from mailq.transports.webhooks.guard import Forbidden, Guard, NotFound, Resolve, look_up

MOST_READ_BYTES = 64 * 1024
"""Of an answer, whose status has said all; read so that the connection can be used again."""

_PORTS = {"http": 80, "https": 443}
_IDLE_S = 5.0
_LONGEST_WORDS = 300


class Poster:
    """See `Post`. For one event loop.

    There are no redirects, cookies or proxies here, and nothing is unpacked: httpcore does what it is told.

    Args:
        timeout: of a whole attempt, from the look-up of the name on.
        agent: what we call ourselves.
        allowed: networks that may be posted to though they are private.
        trust: whom TLS trusts; None is the system.
    """

    def __init__(
        self,
        *,
        timeout: timedelta,
        agent: str = "mailq",
        allowed: Sequence[Network] = (),
        trust: ssl.SSLContext | None = None,
        resolve: Resolve = look_up,
        clock: Clock | None = None,
    ) -> None:
        self._timeout = timeout
        self._agent = agent
        self._clock = clock or Clock()
        guard = Guard(allowed, address_timeout_s=timeout.total_seconds() / 3, resolve=resolve)
        self._pool = AsyncConnectionPool(
            ssl_context=trust or ssl.create_default_context(),
            network_backend=guard,
            max_connections=None,
            max_keepalive_connections=20,
            keepalive_expiry=_IDLE_S,
        )

    async def post(self, url: str, *, webhook_id: str, payload: str, secrets: Sequence[str]) -> Answer:
        """Try once."""
        body = payload.encode()
        answered: list[Answer] = []
        try:
            request = _request(url, signing.headers(webhook_id, body, secrets, at=self._clock.now()), body, agent=self._agent)
            async with asyncio.timeout(self._timeout.total_seconds()):
                await self._exchange(request, answered)
        except TimeoutError:
            fault = Answer(None, f"no answer within {self._timeout.total_seconds():g} s")
        except (Forbidden, UnsupportedProtocol) as error:
            fault = Answer(None, str(error), refused=True)
        except (NotFound, NetworkError, ProtocolError, TimeoutException, OSError) as error:
            fault = Answer(None, _words(error))
        # The status has said it all, whatever became of the rest.
        return answered[0] if answered else fault

    async def _exchange(self, request: Request, answered: list[Answer]) -> None:
        response = await self._pool.handle_async_request(request)
        try:
            answered.append(_answer(response, self._clock.now()))
            await _read_some(response)
        finally:
            await response.aclose()

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.aclose()


def _request(url: str, signed: Mapping[str, str], body: bytes, *, agent: str) -> Request:
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise UnsupportedProtocol(f"{parts.scheme or 'nothing'}: is neither http nor https")
    port = parts.port or _PORTS[parts.scheme]
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = [
        ("Host", _host(parts, port)),
        ("User-Agent", agent),
        ("Accept", "*/*"),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        *signed.items(),
    ]
    return Request("POST", URL(scheme=parts.scheme, host=parts.hostname, port=port, target=target), headers=headers, content=body)


def _host(parts: SplitResult, port: int) -> str:
    name = f"[{parts.hostname}]" if ":" in str(parts.hostname) else str(parts.hostname)
    return name if port == _PORTS[parts.scheme] else f"{name}:{port}"


def _answer(response: Response, now: datetime) -> Answer:
    status = response.status
    try:
        words = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        words = str(status)
    if 300 <= status < 400:
        words += ": leads elsewhere, and is not followed; name the address that it leads to"
    return Answer(status, words, retry_after=_retry_after(response.headers, now))


def _retry_after(headers: Sequence[tuple[bytes, bytes]], now: datetime) -> timedelta | None:
    """In seconds or as a date (RFC 9110 section 10.2.3)."""
    said = next((value.decode("latin-1").strip() for name, value in headers if name.lower() == b"retry-after"), "")
    try:
        if said.isascii() and said.isdigit():
            return timedelta(seconds=int(said[:9]))
        at = parsedate_to_datetime(said)
    except (ValueError, OverflowError):
        return None
    return max(at.replace(tzinfo=at.tzinfo or UTC) - now, timedelta(0))


async def _read_some(response: Response) -> None:
    read_bytes = 0
    async for chunk in response.aiter_stream():
        read_bytes += len(chunk)
        if read_bytes > MOST_READ_BYTES:
            return


def _words(error: Exception) -> str:
    if isinstance(error, ConnectTimeout):
        return "no connection: it does not answer"
    text = " ".join(str(error).split()) or type(error).__name__
    readable = "".join(each if each.isprintable() else "?" for each in text)[:_LONGEST_WORDS]
    if isinstance(error, NotFound):
        return readable
    return f"{'no HTTP' if isinstance(error, ProtocolError) else 'no connection'}: {readable}"
