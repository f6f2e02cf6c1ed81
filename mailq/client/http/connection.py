"""What both senders are made with: httpx2's options, a request as httpx2 wants it, and its errors in our words."""

import os
import ssl
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import httpx2

from mailq import __version__
from mailq.client.http.address import Address
from mailq.client.http.answers import MOST_BYTES, Again, Answer, Document, read
from mailq.client.http.requests import JSON, Request
from mailq.errors import MailqError, Misconfigured, Unavailable

TIMEOUT = httpx2.Timeout(60.0, connect=10.0)
"""For each read and write: an upload is answered when its recipients are committed."""

LIMITS = httpx2.Limits(max_connections=20, max_keepalive_connections=10, keepalive_expiry=30.0)

_Made = TypeVar("_Made")


class OfThisProcess(Generic[_Made]):
    """What a forked child must not share with its parent: it makes its own when it first asks."""

    def __init__(self, make: Callable[[], _Made]) -> None:
        self._make = make
        self._made = (os.getpid(), make())

    def __call__(self) -> _Made:
        # Without a lock, which another thread might hold at the fork: two threads may make one each, and one of the two stays.
        process_id, made = self._made
        if process_id != os.getpid():
            made = self._make()
            self._made = (os.getpid(), made)
        return made


def options(address: Address, key: str) -> dict[str, Any]:
    """How to make a client. Redirects are not followed: they would take the key elsewhere."""
    return {
        "headers": {"Authorization": f"Bearer {key}", "User-Agent": f"mailq/{__version__}", "Accept": JSON},
        "timeout": TIMEOUT,
        "limits": LIMITS,
        "follow_redirects": False,
        # A proxy of the environment is for what is elsewhere.
        "trust_env": not address.loopback,
    }


def spelt(address: Address, request: Request) -> dict[str, Any]:
    """A request as httpx2 takes it."""
    headers = {}
    if request.media_type is not None:
        headers["Content-Type"] = request.media_type
    if request.key is not None:
        headers["Idempotency-Key"] = request.key
    return {
        "method": request.method,
        "url": address.url(request.path),
        "params": request.query or None,
        "content": request.body,
        "headers": headers,
    }


class Body:
    """The body of an answer as it comes, up to `MOST_BYTES`."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._pieces: list[bytes] = []
        self._num_bytes = 0

    def add(self, piece: bytes) -> None:
        """Take a piece.

        Raises:
            Unavailable: it is longer than any answer of mailq.
        """
        self._num_bytes += len(piece)
        if self._num_bytes > MOST_BYTES:
            raise Unavailable(f"{self._address.base} answers without end; nobody knows what was done")
        self._pieces.append(piece)

    def whole(self) -> bytes:
        """All of it."""
        return b"".join(self._pieces)


def understood(address: Address, request: Request, response: httpx2.Response, body: Body) -> Document:
    """What the response to a request says.

    Raises:
        Again, MailqError: as `answers.read`.
    """
    answer = Answer(response.status_code, response.headers, body.whole())
    return read(answer, base=address.base, points=request.points)


_NO_TLS = frozenset(
    {
        "HTTP_REQUEST",
        "NO_PROTOCOLS_AVAILABLE",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "TLSV1_UNRECOGNIZED_NAME",
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "UNKNOWN_PROTOCOL",
        "UNSUPPORTED_PROTOCOL",
        "WRONG_VERSION_NUMBER",
    }
)
"""What OpenSSL says of a peer that the next try would find as it is."""

FAILURES = (httpx2.HTTPError, httpx2.InvalidURL)


def failure(address: Address, error: Exception) -> Again | MailqError:
    """What became of a request that was not answered."""
    reason = f"{type(error).__name__} {error}".strip()
    match _tls_fault(error):
        case ssl.SSLCertVerificationError():
            return Misconfigured(f"{address.base} has no certificate that can be trusted: {error}")
        case ssl.SSLError(reason=str(fault)) if fault in _NO_TLS:
            return Misconfigured(f"{address.base} does not speak TLS as we do ({fault}); is it an http:// address?")
    if isinstance(error, httpx2.UnsupportedProtocol | httpx2.LocalProtocolError | httpx2.InvalidURL):
        return Misconfigured(f"{address.base} cannot be asked: {reason}")
    return Again(Unavailable(f"{address.base} is not available: {reason}"))


def _tls_fault(error: BaseException | None) -> ssl.SSLError | None:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return error
        error = error.__cause__ or error.__context__
    return None
