"""A light HTTP client: requests made beforehand, over connections that stay, as many under way as there are connections.

Run as a program it says how long its requests took. What it costs itself is taken from what is measured, so it costs little.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@dataclass
class Work:
    """Requests that are still to be made, and what became of the others.

    Attributes:
        latencies_s: of each answer.
    """

    requests: list[bytes]
    done: "asyncio.Future[None]"
    left: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    latencies_s: list[float] = field(default_factory=list)


class Connection(asyncio.Protocol):
    """One connection: a request, its answer, the next one."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._buffer = b""
        self._asked_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head) if separator else None
        if length is None or len(body) < int(length[1]):
            return
        status = int(head[9:12])
        work = self._work
        work.statuses[status] = work.statuses.get(status, 0) + 1
        work.latencies_s.append(time.perf_counter() - self._asked_at)
        self._buffer = b""
        work.left -= 1
        if not work.left:
            work.done.set_result(None)
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._work.left and not self._work.done.done():
            self._work.done.set_exception(exc or ConnectionError("the server closed a connection"))

    def _ask(self) -> None:
        if self._work.requests:
            self._asked_at = time.perf_counter()
            self._transport.write(self._work.requests.pop())  # type: ignore[attr-defined]


async def make(host: str, port: int, requests: list[bytes], connections: int) -> dict[str, object]:
    """Make all requests; seconds, statuses and latencies in milliseconds."""
    loop = asyncio.get_running_loop()
    work = Work(requests[::-1], loop.create_future(), left=len(requests))
    began, began_at = time.perf_counter(), time.time()
    opened = [await loop.create_connection(lambda: Connection(work), host, port) for _ in range(connections)]
    await work.done
    seconds = time.perf_counter() - began
    for transport, _ in opened:
        transport.close()
    ordered = sorted(work.latencies_s)
    return {
        "seconds": seconds,
        "began_at": began_at,
        "statuses": {str(status): number for status, number in work.statuses.items()},
        "median_ms": ordered[len(ordered) // 2] * 1000,
        "p99_ms": ordered[len(ordered) * 99 // 100] * 1000,
        "cpu_s": time.process_time(),
    }


def request(path: str, key: str, body: bytes, media_type: str, *, idempotency_key: str | None = None) -> bytes:
    """A POST as bytes."""
    own = f"Idempotency-Key: {idempotency_key}\r\n" if idempotency_key else ""
    head = f"POST {path} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {key}\r\nContent-Type: {media_type}\r\n{own}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def messages(number: int, key: str) -> list[bytes]:
    """So many single messages of an ordinary size, each with a key of its own."""
    text = "Thank you for your order. We will tell you when it is on its way.\n" * 8
    said = {"sender": "The Garden Shop <shop@shop.example>", "text": text}
    return [
        request(
            "/v1/messages",
            key,
            json.dumps(said | {"to": f"user{place}@example.org", "subject": f"Your order {place}"}).encode(),
            "application/json",
            idempotency_key=f"order-{place}",
        )
        for place in range(number)
    ]


def calls(number: int, prefix: str, key: str, *, conversation: bool = False) -> list[bytes]:
    """So many calls that each send a message of an ordinary size: each under a key of its own, or the parts of a conversation in an
    order of chance.
    """
    text = "Thank you for your order. We will tell you when it is on its way.\n" * 8
    places = list(range(1, number + 1))
    if conversation:
        Random(prefix).shuffle(places)
    made = []
    for place in places:
        message = {"type": "message", "sender": "The Garden Shop <shop@shop.example>", "text": text, "correlation_id": "1"}
        message |= {"to": f"user{place}@example.org", "subject": f"Your order {place}"}
        order = {"conversation_id": prefix, "sequence_code": place, "calls_in_conversation": number} if conversation else {}
        body = json.dumps({"method": "create", "objects": [message], "options": order}).encode()
        own = None if conversation else f"{prefix}-{place}"
        made.append(request("/v1/calls", key, body, "application/json", idempotency_key=own))
    return made


def uploads(path: str, number: int, chunk: int, key: str) -> list[bytes]:
    """So many recipients in uploads of a chunk each."""
    return [
        request(path, key, b"".join(map(_line, range(first, min(first + chunk, number)))), "application/x-ndjson")
        for first in range(0, number, chunk)
    ]


def _line(place: int) -> bytes:
    said = {
        "address": f"user{place}@example{place % 97}.example",
        "first_name": f"Name{place}",
        "city": "Köln",
        "coupon": f"SPRING-{place:07d}",
    }
    return json.dumps(said, ensure_ascii=False).encode() + b"\n"


_REQUESTS: dict[str, Callable[..., list[bytes]]] = {
    "messages": messages,
    "calls": lambda number, key, prefix: calls(number, prefix, key),
    "conversation": lambda number, key, prefix: calls(number, prefix, key, conversation=True),
    "uploads": lambda number, key, chunk, path: uploads(path, number, int(chunk), key),
}


def main() -> None:
    """`host port key connections messages NUMBER`, `… calls NUMBER PREFIX`, `… conversation NUMBER ID`, `… uploads NUMBER CHUNK PATH`."""
    host, port, key, connections, kind, *rest = sys.argv[1:]
    number = int(rest[0])
    requests = _REQUESTS[kind](number, key, *rest[1:])
    try:
        import uvloop

        run = uvloop.run
    except ImportError:
        run = asyncio.run
    spent_s = time.process_time()
    found = run(make(host, int(port), requests, int(connections)))
    print(json.dumps(found | {"cpu_s": float(str(found["cpu_s"])) - spent_s}))


if __name__ == "__main__":
    main()
