"""Asks at a fixed pace, whatever becomes of the answers; run as a program it says how long they took.

The time of an answer counts from when its request was to be made: one that holds up those behind it does so in the figures.
"""

import asyncio
import json
import re
import sys
import time
from collections import Counter, deque

from tests.benchmarks.http_client import calls

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_WITHIN_S = 60.0


class Pace:
    """Requests that are made one after the other at their times, each over a connection that is free."""

    def __init__(self, requests: list[bytes], rate_per_s: float, done: "asyncio.Future[None]") -> None:
        self.statuses: Counter[int] = Counter()
        self.latencies_s: list[float] = []
        self._loop = asyncio.get_running_loop()
        self._requests = requests
        self._rate_per_s = rate_per_s
        self._done = done
        self._free: deque[Connection] = deque()
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._began = 0.0

    def begin(self) -> None:
        """Make them."""
        # Not the loop's own time, which uvloop keeps to the millisecond.
        self._began = time.perf_counter()
        self._next(0)

    def answered(self, connection: "Connection", status: int, planned: float) -> None:
        """One has its answer, and its connection is free."""
        self.statuses[status] += 1
        self.latencies_s.append(time.perf_counter() - planned)
        self.free(connection)
        if len(self.latencies_s) == len(self._requests):
            self._done.set_result(None)

    def free(self, connection: "Connection") -> None:
        """A connection may be used."""
        if self._waiting:
            connection.ask(*self._waiting.popleft())
        else:
            self._free.append(connection)

    def _next(self, number: int) -> None:
        planned = self._began + number / self._rate_per_s
        if self._free:
            self._free.pop().ask(planned, self._requests[number])
        else:
            self._waiting.append((planned, self._requests[number]))
        if number + 1 < len(self._requests):
            due = self._began + (number + 1) / self._rate_per_s
            self._loop.call_later(max(0.0, due - time.perf_counter()), self._next, number + 1)


class Connection(asyncio.Protocol):
    """One connection: a request, its answer."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._buffer = b""
        self._planned = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._pace.free(self)

    def ask(self, planned: float, request: bytes) -> None:
        """Make a request that was to be made then."""
        self._planned = planned
        self._transport.write(request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head) if separator else None
        if length is None or len(body) < int(length[1]):
            return
        self._buffer = b""
        self._pace.answered(self, int(head[9:12]), self._planned)


async def make(host: str, port: int, requests: list[bytes], *, rate_per_s: float, connections: int) -> dict[str, object]:
    """Make all requests at a pace; statuses and latencies in milliseconds."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    pace = Pace(requests, rate_per_s, done)
    opened = [await loop.create_connection(lambda: Connection(pace), host, port) for _ in range(connections)]
    pace.begin()
    await asyncio.wait_for(done, len(requests) / rate_per_s + _WITHIN_S)
    for transport, _ in opened:
        transport.close()
    ordered = sorted(pace.latencies_s)
    return {
        "statuses": {str(status): number for status, number in pace.statuses.items()},
        "median_ms": ordered[len(ordered) // 2] * 1000,
        "p99_ms": ordered[len(ordered) * 99 // 100] * 1000,
        "cpu_s": time.process_time(),
    }


def main() -> None:
    """`host port key connections NUMBER PREFIX RATE`."""
    host, port, key, connections, number, prefix, rate = sys.argv[1:]
    requests = calls(int(number), prefix, key)
    try:
        import uvloop

        run = uvloop.run
    except ImportError:
        run = asyncio.run
    print(json.dumps(run(make(host, int(port), requests, rate_per_s=float(rate), connections=int(connections)))))


if __name__ == "__main__":
    main()
